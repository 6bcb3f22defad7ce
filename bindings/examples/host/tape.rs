//! A store and a clock that keep a record of a flow: what it asked, when, and what it was answered. The store fails when
//! it is told to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use strongroom::audit::Event;
use strongroom::flow::{Answer, Applied, ChangeSet, CommitAnswer, EventQuery, Expected, Item, ListQuery, Put, Reply};
use strongroom::record::{Record, RecordKey};
use strongroom::store::{Clock, CommitFailed, MemoryStore, Page, Store};
use strongroom::{Request, Timestamp};
use strongroom_bindings::SystemClock;

/// What the store does to a request instead of answering it.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Nothing: it answers.
    None,
    /// It fails before it did anything, and does not say so.
    Throws,
    /// It did what it was asked, and its answer is lost.
    Lost,
    /// It says that nothing was applied.
    Failed,
    /// It says that another writer came first.
    Conflict,
}

/// The faults to come, request by request.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    load: VecDeque<Fault>,
    list: VecDeque<Fault>,
    commit: VecDeque<Fault>,
    events: VecDeque<Fault>,
}

/// Every row of a store.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    records: Vec<Record>,
    events: Vec<Event>,
}

/// One step of a flow: the time, the reply that it was given, and what it asked then, if it did.
#[derive(Serialize)]
pub(crate) struct Taken(i64, Option<Value>, Option<String>);

/// What a session writes of a request, field by field in the same order.
#[derive(Serialize)]
struct Asked<'a> {
    ask: Numbered<'a>,
}

#[derive(Serialize)]
struct Numbered<'a> {
    number: u64,
    request: &'a Request,
}

#[derive(Default)]
struct State {
    at: Option<i64>,
    number: u64,
    reply: Option<Value>,
    taken: Vec<Taken>,
}

/// The record, and the clock: the system's until it is set; then it advances by a millisecond with each request, and by
/// what was asked for with each wait.
#[derive(Clone, Default)]
pub(crate) struct Tape(Rc<RefCell<State>>);

impl Tape {
    pub(crate) fn set_clock(&self, at: i64) {
        self.0.borrow_mut().at = Some(at);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.borrow().at.map_or_else(|| SystemClock.now(), Timestamp::from_millis)
    }

    /// Forgets what was taken before.
    pub(crate) fn rewind(&self) {
        let mut state = self.0.borrow_mut();
        *state = State { at: state.at, ..State::default() };
    }

    pub(crate) fn taken(&self) -> Value {
        json!(self.0.borrow().taken)
    }

    fn asked(&self, request: &Request, millis: u64) {
        let mut state = self.0.borrow_mut();
        state.number += 1;
        let ask = Asked { ask: Numbered { number: state.number, request } };
        if let Some(taken) = state.taken.last_mut() {
            taken.2 = serde_json::to_string(&ask).ok();
        }
        state.at = state.at.map(|at| at.saturating_add_unsigned(millis));
    }

    fn answered(&self, answer: Answer) {
        let mut state = self.0.borrow_mut();
        state.reply = Some(json!(Reply { number: state.number, answer }));
    }
}

impl Clock for Tape {
    fn now(&mut self) -> Timestamp {
        let now = Tape::now(self);
        let mut state = self.0.borrow_mut();
        let reply = state.reply.take();
        state.taken.push(Taken(now.as_millis(), reply, None));
        now
    }

    fn wait(&mut self, millis: u64) {
        self.asked(&Request::Wait { millis }, millis);
        self.answered(Answer::Wait {});
    }
}

/// The record-keeping store.
#[derive(Default)]
pub(crate) struct TapedStore {
    pub(crate) tape: Tape,
    pub(crate) faults: Faults,
    /// The longest page that it gives.
    page: Option<u32>,
    rows: MemoryStore,
}

/// What a failing request failed with.
#[derive(Debug)]
pub(crate) struct Thrown;

impl TapedStore {
    /// A store with rows that were taken from another one.
    pub(crate) fn new(tape: Tape, rows: Rows, page: Option<u32>) -> Self {
        let mut store = TapedStore { tape, page, ..TapedStore::default() };
        store.put(rows);
        store
    }

    /// Adds rows, as another program would.
    pub(crate) fn put(&mut self, rows: Rows) {
        let puts = rows.records.into_iter().map(|record| Put::plain(record, Expected::Absent)).collect();
        let (deletes, checks, counters) = (vec![], vec![], vec![]);
        let operation_id = "rows".into();
        let Ok(_) = self.rows.commit(&ChangeSet { operation_id, puts, deletes, checks, counters, events: rows.events });
    }

    pub(crate) fn rows(&self) -> Rows {
        Rows { records: self.rows.records().cloned().collect(), events: self.rows.all_events().to_vec() }
    }

    /// A request that reads.
    fn read<T>(&self, fault: Option<Fault>, told: T, answer: impl FnOnce(&T) -> Answer) -> Result<T, Thrown> {
        if matches!(fault, None | Some(Fault::None)) {
            self.tape.answered(answer(&told));
            return Ok(told);
        }
        self.tape.answered(Answer::Failed { applied: Applied::Unknown });
        Err(Thrown)
    }

    fn limit(&self, asked: u32) -> u32 {
        self.page.map_or(asked, |page| page.min(asked))
    }
}

impl Store for TapedStore {
    type Error = Thrown;

    fn load(&mut self, keys: &[RecordKey]) -> Result<Vec<Record>, Thrown> {
        self.tape.asked(&Request::Load { keys: keys.to_vec() }, 1);
        let Ok(records) = self.rows.load(keys);
        let fault = self.faults.load.pop_front();
        self.read(fault, records, |records| Answer::Load { records: records.clone() })
    }

    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, Thrown> {
        self.tape.asked(&Request::List { query: query.clone(), cursor: cursor.map(Into::into) }, 1);
        let Ok(page) = self.rows.list(&ListQuery { limit: self.limit(query.limit), ..query.clone() }, cursor);
        let fault = self.faults.list.pop_front();
        self.read(fault, page, |page| Answer::List { items: page.items.clone(), cursor: page.cursor.clone() })
    }

    fn events(&mut self, query: &EventQuery, cursor: Option<&str>) -> Result<Page<Event>, Thrown> {
        self.tape.asked(&Request::Events { query: query.clone(), cursor: cursor.map(Into::into) }, 1);
        let Ok(page) = self.rows.events(&EventQuery { limit: self.limit(query.limit), ..query.clone() }, cursor);
        let fault = self.faults.events.pop_front();
        self.read(fault, page, |page| Answer::Events { events: page.items.clone(), cursor: page.cursor.clone() })
    }

    fn commit(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, CommitFailed<Thrown>> {
        self.tape.asked(&Request::Commit { change_set: change_set.clone() }, 1);
        let fault = self.faults.commit.pop_front().unwrap_or(Fault::None);
        let mut done = Err(CommitFailed { applied: Applied::Unknown, cause: Thrown });
        match fault {
            Fault::None => done = self.rows.commit(change_set).map_err(|failed| match failed.cause {}),
            Fault::Lost => drop(self.rows.commit(change_set)),
            Fault::Conflict => done = Ok(CommitAnswer::Conflict),
            Fault::Failed => done = Err(CommitFailed { applied: Applied::No, cause: Thrown }),
            Fault::Throws => {}
        }
        self.tape.answered(match &done {
            Ok(answer) => Answer::Commit(*answer),
            Err(failed) => Answer::Failed { applied: failed.applied },
        });
        done
    }
}
