//! A flow as hosts drive it: JSON in, JSON out, one thread at a time.

use crate::entropy::now;
use crate::operation::{Outcome, begin};
use serde_json::json;
use spin::Mutex;
use strongroom::flow::{Answer, Applied, Reply};
use strongroom::{Error, ErrorCode, Flow, Result, SecretBytes, Step, Vault};

/// One operation under way. Hosts close it when they are done, also when they give up: what it held is wiped then.
pub struct Session {
    state: Mutex<State>,
}

struct State {
    flow: Option<Flow<Outcome>>,
    value: Option<SecretBytes>,
}

impl Session {
    /// Starts an operation such as `{"op": "get", "name": "A", "actor": {"id": "alice"}}`. The value of `set`, `rotate`
    /// and `propose`, and the text of `command`, come beside it.
    ///
    /// Errors: `INVALID_ARGUMENT`, `NAME_INVALID`.
    pub fn begin(vault: &Vault, operation: &str, value: Option<SecretBytes>) -> Result<Session> {
        let flow = begin(vault, operation, value)?;
        Ok(Session { state: Mutex::new(State { flow: Some(flow), value: None }) })
    }

    /// Goes on until the next request or the end, at an instant in milliseconds since the epoch.
    ///
    /// Gives `{"ask": {"number", "request"}}`, `{"done": ...}`, or `{"failed": {"code", "message"}}`. The reply to a
    /// request is `{"number", "answer"}`; an answer that cannot be read counts as a failure of the store. Errors:
    /// `STALE_REPLY`, `FLOW_DONE`; the session is then as it was.
    pub fn step(&self, now_millis: f64, reply: Option<&str>) -> Result<String> {
        let mut state = self.state.lock();
        let reply = reply.map(read_reply).transpose()?;
        let Some(flow) = &mut state.flow else {
            return Err(Error::new(ErrorCode::FlowDone, "the operation has ended: start a new one"));
        };
        let step = flow.step(now(now_millis), reply)?;
        Ok(match step {
            Step::Ask { number, request } => json!({ "ask": { "number": number, "request": request } }),
            Step::Done(Ok(outcome)) => {
                state.value = outcome.value;
                json!({ "done": outcome.told })
            }
            Step::Done(Err(error)) => {
                json!({ "failed": { "code": error.code().name(), "message": error.message() } })
            }
        }
        .to_string())
    }

    /// The value that the operation gave; once.
    pub fn take_value(&self) -> Option<SecretBytes> {
        self.state.lock().value.take()
    }

    /// Ends the operation, wherever it is, and wipes what it held.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.flow = None;
        state.value = None;
    }
}

#[derive(serde::Deserialize)]
struct Numbered {
    number: u64,
    answer: serde_json::Value,
}

fn read_reply(text: &str) -> Result<Reply> {
    let stale =
        || Error::new(ErrorCode::StaleReply, "the reply carries no number: answer each request with its number");
    let Numbered { number, answer } = serde_json::from_str(text).map_err(|_| stale())?;
    // What a host says in a shape of its own is no reason to lose the operation: the flow decides what a failed store
    // means for it.
    let answer = match serde_json::from_value(answer) {
        Ok(answer) => answer,
        Err(_) => Answer::Failed { applied: Applied::Unknown },
    };
    Ok(Reply { number, answer })
}
