//! A flow as hosts drive it: JSON in, JSON out, one thread at a time.

use crate::entropy::now;
use crate::operation::{Outcome, begin, tell};
use crate::{OsEntropy, json_of};
use spin::Mutex;
use strongroom::conformance::check_store;
use strongroom::flow::{Answer, Applied, Reply};
use strongroom::wire::{Fault, Fields, read};
use strongroom::{Error, ErrorCode, Flow, Result, SecretBytes, Step, Vault};

/// One operation under way. Hosts close it when they are done, also when they give up: what it held is wiped then.
pub struct Session {
    state: Mutex<State>,
}

struct State {
    flow: Option<Flow<Outcome>>,
    value: Option<SecretBytes>,
    /// What was wrong with the shape of the last answer, if that could not be read.
    unreadable: Option<Fault>,
}

impl Session {
    /// Starts an operation such as `{"op": "get", "name": "A", "actor": {"id": "alice"}}`. The value of `set`, `rotate`
    /// and `propose`, and the text of `command`, come beside it.
    ///
    /// Errors: `INVALID_ARGUMENT`, `NAME_INVALID`.
    pub fn begin(vault: &Vault, operation: &str, value: Option<SecretBytes>) -> Result<Session> {
        begin(vault, operation, value).map(Session::of)
    }

    /// Starts the conformance kit, which puts a store to the test: see [`check_store`]. It tells
    /// `{"passed": [...], "failures": [{"check", "says"}]}`.
    #[must_use]
    pub fn of_store_check() -> Session {
        Session::of(check_store(Box::new(OsEntropy)).map(tell))
    }

    fn of(flow: Flow<Outcome>) -> Session {
        Session { state: Mutex::new(State { flow: Some(flow), value: None, unreadable: None }) }
    }

    /// Goes on until the next request or the end, at an instant in milliseconds since the epoch.
    ///
    /// Gives `{"ask": {"number", "request"}}`, `{"done": ...}`, or `{"failed": {"code", "message"}}`. The reply to a
    /// request is `{"number", "answer"}`; an answer that cannot be read counts as a failure of the store. Errors:
    /// `STALE_REPLY`, `FLOW_DONE`; the session is then as it was.
    pub fn step(&self, now_millis: f64, reply: Option<&str>) -> Result<String> {
        let mut state = self.state.lock();
        let (reply, unreadable) = reply.map(read_reply).transpose()?.unzip();
        let Some(flow) = &mut state.flow else {
            return Err(Error::new(ErrorCode::FlowDone, "the operation has ended: start a new one"));
        };
        let step = flow.step(now(now_millis), reply)?;
        state.unreadable = unreadable.flatten().or(state.unreadable.take());
        Ok(match step {
            Step::Ask { number, request } => {
                format!("{{\"ask\":{{\"number\":{number},\"request\":{}}}}}", json_of(&request))
            }
            Step::Done(Ok(outcome)) => {
                state.value = outcome.value;
                format!("{{\"done\":{}}}", outcome.told)
            }
            Step::Done(Err(error)) => {
                let message = match state.unreadable.take() {
                    Some(fault) if error.code() == ErrorCode::StorageFailed => {
                        format!("{} (an answer was not in the shape of the contract: {fault})", error.message())
                    }
                    _ => error.message().to_string(),
                };
                let (code, message) = (json_of(&error.code().name()), json_of(&message));
                format!("{{\"failed\":{{\"code\":{code},\"message\":{message}}}}}")
            }
        })
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

/// A reply, and what was wrong with its answer if that could not be read.
fn read_reply(text: &str) -> Result<(Reply, Option<Fault>)> {
    let numbered = read(text).and_then(Fields::of).and_then(|mut fields| Ok((fields.take("number")?, fields)));
    let Ok((number, mut fields)) = numbered else {
        let message = "the reply carries no number: answer each request with its number";
        return Err(Error::new(ErrorCode::StaleReply, message));
    };
    // What a host says in a shape of its own is no reason to lose the operation: the flow decides what a failed store
    // means for it.
    Ok(match fields.take("answer") {
        Ok(answer) => (Reply { number, answer }, None),
        Err(fault) => (Reply { number, answer: Answer::Failed { applied: Applied::Unknown } }, Some(fault)),
    })
}
