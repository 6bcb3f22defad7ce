//! A flow as hosts drive it: JSON in, JSON out, one thread at a time.

use crate::entropy::now;
use crate::operation::{Told, begin, tell, told};
use crate::{OsEntropy, json_of};
use spin::Mutex;
use std::collections::VecDeque;
use strongroom::audit::{Event, EventFilter};
use strongroom::conformance::check_store;
use strongroom::flow::{Answer, Applied, CommitAnswer, Reply, Request};
use strongroom::wire::{Fault, Fields, read};
use strongroom::{Error, ErrorCode, Result, SecretBytes, Step, Vault};

/// One operation under way. Hosts close it when they are done, also when they give up: what it held is wiped then.
pub struct Session {
    state: Mutex<State>,
}

struct State {
    flow: Option<Box<dyn Told>>,
    values: VecDeque<SecretBytes>,
    /// The number of the request that is open.
    open: u64,
    /// Which committed events are told.
    told: Option<EventFilter>,
    /// Those of the open commit.
    pending: Vec<Event>,
    /// What was wrong with the shape of the last answer, if that could not be read.
    unreadable: Option<Fault>,
}

impl Session {
    /// Starts an operation such as `{"op": "get", "name": "A", "actor": {"id": "alice"}}`. The value of `set`, `rotate`
    /// and `propose`, and the text of `command`, come beside it.
    ///
    /// Errors: `INVALID_ARGUMENT`, `NAME_INVALID`; the vault's metrics count them.
    pub fn begin(vault: &Vault, operation: &str, value: Option<SecretBytes>) -> Result<Session> {
        let flow = begin(vault, operation, value).inspect_err(|refusal| vault.count_refusal(refusal))?;
        Ok(Session::of(flow, vault.told_events().cloned()))
    }

    /// Starts the conformance kit, which puts a store to the test: see [`check_store`]. It tells
    /// `{"passed": [...], "failures": [{"check", "says"}]}`.
    #[must_use]
    pub fn of_store_check() -> Session {
        Session::of(told(check_store(Box::new(OsEntropy)), tell), None)
    }

    fn of(flow: Box<dyn Told>, told: Option<EventFilter>) -> Session {
        Session {
            state: Mutex::new(State {
                flow: Some(flow),
                values: VecDeque::new(),
                open: 0,
                told,
                pending: Vec::new(),
                unreadable: None,
            }),
        }
    }

    /// Goes on until the next request or the end, at an instant in milliseconds since the epoch.
    ///
    /// Gives `{"ask": {"number", "request"}}`, `{"done": ...}`, or `{"failed": {"code", "message"}}`; and, where the vault's
    /// options choose events, `"committed"` beside it: those that the reply said are committed now; and `"findings"`: what the
    /// rules of access found in them. The reply to a
    /// request is `{"number", "answer"}`; an answer that cannot be read counts as a failure of the store. Errors:
    /// `STALE_REPLY`, `FLOW_DONE`; the session is then as it was.
    pub fn step(&self, now_millis: f64, reply: Option<&str>) -> Result<String> {
        self.advance(now_millis, reply, |number, request| {
            format!("{{\"number\":{number},\"request\":{}}}", json_of(request))
        })
    }

    /// The same for a host whose stores take requests as they are: `{"ask": {"number", "kind"}}`, with what the request
    /// carries beside it, as JSON.
    pub fn step_apart(&self, now_millis: f64, reply: Option<&str>) -> Result<(String, Option<String>)> {
        let mut content = None;
        let step = self.advance(now_millis, reply, |number, request| {
            content = Some(content_of(request));
            format!("{{\"number\":{number},\"kind\":\"{}\"}}", request.name())
        })?;
        Ok((step, content))
    }

    fn advance(
        &self,
        now_millis: f64,
        reply: Option<&str>,
        told_of: impl FnOnce(u64, &Request) -> String,
    ) -> Result<String> {
        let mut state = self.state.lock();
        let open = state.open;
        let (reply, unreadable) = reply.map(|reply| read_reply(reply, open)).transpose()?.unzip();
        let Some(flow) = &mut state.flow else {
            return Err(Error::new(ErrorCode::FlowDone, "the operation has ended: start a new one"));
        };
        let is_committed = matches!(reply, Some(Reply { answer: Answer::Commit(CommitAnswer::Committed), .. }));
        let step = flow.step(now(now_millis), reply)?;
        let findings = flow.take_findings();
        let committed = core::mem::take(&mut state.pending);
        let mut committed = if is_committed && !committed.is_empty() {
            format!(",\"committed\":{}", json_of(&committed))
        } else {
            String::new()
        };
        if !findings.is_empty() {
            committed = format!("{committed},\"findings\":{}", json_of(&findings));
        }
        state.unreadable = unreadable.flatten().or(state.unreadable.take());
        Ok(match step {
            Step::Ask { number, request } => {
                state.open = number;
                if let (Request::Commit { change_set }, Some(filter)) = (&request, &state.told) {
                    state.pending = change_set.events.iter().filter(|event| filter.takes(event)).cloned().collect();
                }
                format!("{{\"ask\":{}{committed}}}", told_of(number, &request))
            }
            Step::Done(Ok(outcome)) => {
                state.values = outcome.values.into();
                format!("{{\"done\":{}{committed}}}", outcome.told)
            }
            Step::Done(Err(error)) => {
                let message = match state.unreadable.take() {
                    Some(fault) if error.code() == ErrorCode::StorageFailed => {
                        // There is no cause to look at: the store threw nothing.
                        let what = error.message().split("; look at the cause").next().unwrap_or_default();
                        format!("{what}; an answer was not in the shape of the contract: {fault}")
                    }
                    _ => error.message().to_string(),
                };
                let (code, message) = (json_of(&error.code().name()), json_of(&message));
                format!("{{\"failed\":{{\"code\":{code},\"message\":{message}}}{committed}}}")
            }
        })
    }

    /// The value that goes with the open request, or the next one that the operation gave, in the order in which it tells of
    /// them; each once.
    pub fn take_value(&self) -> Option<SecretBytes> {
        let mut state = self.state.lock();
        let shown = state.flow.as_mut().and_then(|flow| flow.take_shown());
        shown.or_else(|| state.values.pop_front())
    }

    /// Gives a value: one of an operation on many, in their order and before the first step; or what the next answer tells
    /// of: `{"values": {"found": ["given", "missing", ...]}}`. Those that are given
    /// are offered in the order of the request, before the step that takes the answer.
    pub fn offer(&self, value: SecretBytes) {
        if let Some(flow) = &mut self.state.lock().flow {
            flow.offer(value);
        }
    }

    /// Whether the next step may take a second: a host whose threads wait for each other lets them go on meanwhile.
    pub fn is_long(&self) -> bool {
        self.state.lock().flow.as_ref().is_some_and(|flow| flow.is_long())
    }

    /// Ends the operation, wherever it is, and wipes what it held.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.flow = None;
        state.values.clear();
    }
}

/// What a request carries, as JSON: it is written as `{"load": {"keys": [...]}}`.
fn content_of(request: &Request) -> String {
    let named = json_of(request);
    let content = named.split_once(':').and_then(|(_, content)| content.strip_suffix('}'));
    content.unwrap_or_default().to_owned()
}

/// A reply, and what was wrong with its answer if that could not be read.
///
/// What a host says in a shape of its own is no reason to lose the operation: the flow decides what a failed store means
/// for it. What is no JSON at all, such as text with half a character, is taken for the answer to the open request.
fn read_reply(text: &str, open: u64) -> Result<(Reply, Option<Fault>)> {
    let failed = |number, fault| (Reply { number, answer: Answer::Failed { applied: Applied::Unknown } }, Some(fault));
    let mut fields = match read(text).and_then(Fields::of) {
        Ok(fields) => fields,
        Err(fault) => return Ok(failed(open, fault)),
    };
    let Ok(number) = fields.take("number") else {
        let message = "the reply carries no number: answer each request with its number";
        return Err(Error::new(ErrorCode::StaleReply, message));
    };
    Ok(match fields.take("answer") {
        Ok(answer) => (Reply { number, answer }, None),
        Err(fault) => failed(number, fault),
    })
}
