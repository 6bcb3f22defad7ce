//! A store, a host and a clock that keep a record of a flow: what it asked, when, and what it was answered. The store fails
//! when it is told to.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::rc::Rc;
use strongroom::audit::Event;
use strongroom::flow::{
    Answer, Applied, ChangeSet, CommitAnswer, EventQuery, Found, Item, ListQuery, Reply, RotatorStep,
};
use strongroom::record::{Index, Record, RecordKey};
use strongroom::store::{Clock, CommitFailed, Host, HostRotation, MemoryStore, Page, Refusal, Store};
use strongroom::wire::read;
use strongroom::{Request, SecretBytes, Timestamp};
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
    /// What lists find them by.
    #[serde(default)]
    indexes: Vec<Indexed>,
}

#[derive(Deserialize, Serialize)]
struct Indexed {
    key: RecordKey,
    #[serde(deserialize_with = "index")]
    index: Index,
}

fn index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Index, D::Error> {
    let value = Value::deserialize(deserializer)?;
    read(&value.to_string()).map_err(|_| D::Error::custom("an index that cannot be read"))
}

/// One step of a flow: the time, the reply that it was given, and what it asked then, if it did; the values beside the reply
/// and beside what was asked.
#[derive(Serialize)]
pub(crate) struct Taken(i64, Option<Value>, Option<String>, Vec<String>, Vec<String>);

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
    given: Vec<String>,
    /// What a host is asked for one by one, until it is asked for no more.
    asked: Option<(Of, Vec<String>, Vec<Found>)>,
    taken: Vec<Taken>,
}

/// Of what a host is asked for the content.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Variables,
    Files,
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

    fn give(&self, value: &str) {
        self.0.borrow_mut().given.push(value.to_owned());
    }

    fn show(&self, value: &SecretBytes) {
        if let Some(taken) = self.0.borrow_mut().taken.last_mut() {
            taken.4.push(String::from_utf8_lossy(value.expose()).into_owned());
        }
    }

    fn asked_for(&self, of: Of, what: &str, found: Found) {
        let mut state = self.0.borrow_mut();
        let (_, asked, all) = state.asked.get_or_insert_with(|| (of, Vec::new(), Vec::new()));
        asked.push(what.to_owned());
        all.push(found);
    }

    /// The request whose parts the host was asked for.
    fn end_asking(&self) {
        let asked = self.0.borrow_mut().asked.take();
        let Some((of, asked, found)) = asked else { return };
        self.asked(
            &match of {
                Of::Variables => Request::ReadEnv { names: asked },
                Of::Files => Request::ReadFile { paths: asked },
            },
            1,
        );
        self.answered(Answer::Values { found });
    }

    fn answered(&self, answer: Answer) {
        let mut state = self.0.borrow_mut();
        state.reply = Some(json!(Reply { number: state.number, answer }));
    }
}

impl Clock for Tape {
    fn now(&mut self) -> Timestamp {
        self.end_asking();
        let now = Tape::now(self);
        let mut state = self.0.borrow_mut();
        let (reply, given) = (state.reply.take(), std::mem::take(&mut state.given));
        state.taken.push(Taken(now.as_millis(), reply, None, given, Vec::new()));
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
    /// Of the records that were ever put.
    indexes: BTreeMap<RecordKey, Index>,
    /// Whether it is the one that a vault is copied to.
    is_target: bool,
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

    /// An empty store like this one, for its vault to be copied to.
    pub(crate) fn target(&self) -> Self {
        TapedStore { tape: self.tape.clone(), page: self.page, is_target: true, ..TapedStore::default() }
    }

    /// The same as the store of a vault.
    pub(crate) fn moved_to(self) -> Self {
        TapedStore { is_target: false, ..self }
    }

    fn asked(&self, request: Request) {
        let request = if self.is_target { Request::Target { request: Box::new(request) } } else { request };
        self.tape.asked(&request, 1);
    }

    /// Adds rows, as another program would: whatever they are.
    pub(crate) fn put(&mut self, rows: Rows) {
        self.indexes.extend(rows.indexes.into_iter().map(|Indexed { key, index }| (key, index)));
        let records = self.rows.records().cloned().chain(rows.records);
        let indexed = |record: Record| {
            let index = self.indexes.get(&record.key).cloned().unwrap_or_default();
            (record, index)
        };
        let events = self.rows.all_events().iter().cloned().chain(rows.events);
        self.rows = MemoryStore::holding(records.map(indexed), events);
    }

    /// The store in memory does not tell what it finds records by.
    fn apply(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, Infallible> {
        let answer = self.rows.commit(change_set).map_err(|failed| failed.cause)?;
        if answer == CommitAnswer::Committed {
            let indexes = change_set.puts.iter().map(|put| (put.record.key.clone(), put.index.clone()));
            self.indexes.extend(indexes);
        }
        Ok(answer)
    }

    pub(crate) fn rows(&self) -> Rows {
        let index_of = |record: &Record| {
            let index = self.indexes.get(&record.key)?.clone();
            Some(Indexed { key: record.key.clone(), index })
        };
        Rows {
            records: self.rows.records().cloned().collect(),
            events: self.rows.all_events().to_vec(),
            indexes: self.rows.records().filter_map(index_of).collect(),
        }
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
        self.asked(Request::Load { keys: keys.to_vec() });
        let Ok(records) = self.rows.load(keys);
        let fault = self.faults.load.pop_front();
        self.read(fault, records, |records| Answer::Load { records: records.clone() })
    }

    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, Thrown> {
        self.asked(Request::List { query: query.clone(), cursor: cursor.map(Into::into) });
        let Ok(page) = self.rows.list(&ListQuery { limit: self.limit(query.limit), ..query.clone() }, cursor);
        let fault = self.faults.list.pop_front();
        self.read(fault, page, |page| Answer::List { items: page.items.clone(), cursor: page.cursor.clone() })
    }

    fn events(&mut self, query: &EventQuery, cursor: Option<&str>) -> Result<Page<Event>, Thrown> {
        self.asked(Request::Events { query: query.clone(), cursor: cursor.map(Into::into) });
        let Ok(page) = self.rows.events(&EventQuery { limit: self.limit(query.limit), ..query.clone() }, cursor);
        let fault = self.faults.events.pop_front();
        self.read(fault, page, |page| Answer::Events { events: page.items.clone(), cursor: page.cursor.clone() })
    }

    fn commit(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, CommitFailed<Thrown>> {
        self.asked(Request::Commit { change_set: change_set.clone() });
        let fault = self.faults.commit.pop_front().unwrap_or(Fault::None);
        let mut done = Err(CommitFailed { applied: Applied::Unknown, cause: Thrown });
        match fault {
            Fault::None => done = self.apply(change_set).map_err(|never| match never {}),
            Fault::Lost => drop(self.apply(change_set)),
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

/// An environment, files, and a rotator, as a script has them: see `tests/hosts/tape.py`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Surroundings {
    env: BTreeMap<String, Option<String>>,
    files: BTreeMap<String, Option<String>>,
    created: VecDeque<Option<String>>,
    activated: VecDeque<Fault>,
}

/// The record-keeping host.
pub(crate) struct TapedHost<'a> {
    pub(crate) tape: Tape,
    pub(crate) surroundings: &'a mut Surroundings,
}

impl TapedHost<'_> {
    fn read(&self, of: Of, what: &str) -> Result<Option<SecretBytes>, Refusal<Thrown>> {
        let values = if of == Of::Variables { &self.surroundings.env } else { &self.surroundings.files };
        let (found, read) = match values.get(what) {
            Some(Some(value)) => {
                self.tape.give(value);
                (Found::Given, Ok(Some(SecretBytes::copy_of(value.as_bytes()))))
            }
            Some(None) => (Found::Failed, Err(Refusal::Failed(Thrown))),
            None => (Found::Missing, Ok(None)),
        };
        self.tape.asked_for(of, what, found);
        read
    }

    fn rotated(&self, step: RotatorStep, rotation: HostRotation<'_>, answer: Answer) {
        let HostRotation { id, namespace, name, version } = rotation;
        let [id, namespace, name] = [id, namespace, name].map(Into::into);
        self.tape.asked(&Request::Rotate { step, id, namespace, name, version }, 1);
        self.tape.answered(answer);
    }
}

impl Host for TapedHost<'_> {
    type Error = Thrown;

    fn read_env(&mut self, name: &str) -> Result<Option<SecretBytes>, Refusal<Thrown>> {
        self.read(Of::Variables, name)
    }

    fn read_file(&mut self, path: &str) -> Result<Option<SecretBytes>, Refusal<Thrown>> {
        self.read(Of::Files, path)
    }

    fn create(&mut self, rotation: HostRotation<'_>) -> Result<SecretBytes, Refusal<Thrown>> {
        match self.surroundings.created.pop_front().flatten() {
            Some(value) => {
                self.rotated(RotatorStep::Create, rotation, Answer::Values { found: vec![Found::Given] });
                self.tape.give(&value);
                Ok(SecretBytes::new(value.into_bytes()))
            }
            None => {
                self.rotated(RotatorStep::Create, rotation, Answer::Failed { applied: Applied::Unknown });
                Err(Refusal::Failed(Thrown))
            }
        }
    }

    fn activate(&mut self, rotation: HostRotation<'_>, value: &SecretBytes) -> Result<(), Refusal<Thrown>> {
        let is_done = !matches!(self.surroundings.activated.pop_front(), Some(Fault::Throws));
        let failed = Answer::Failed { applied: Applied::Unknown };
        self.rotated(RotatorStep::Activate, rotation, if is_done { Answer::Activated {} } else { failed });
        self.tape.show(value);
        if is_done { Ok(()) } else { Err(Refusal::Failed(Thrown)) }
    }
}
