//! What flows ask and hosts answer: the wire shapes of the storage contract, and of what else a host can be asked. None of
//! them can hold a plaintext.

use super::ChangeSet;
use crate::audit::Event;
use crate::record::{Record, RecordKey, RecordKind};
use crate::time::Timestamp;
use crate::wire::{Fault, Fields, FromJson, Json, deserialize_as_read, read_fields, read_names, tagged, unknown};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// How many items a flow asks for in one page.
pub const PAGE_LIMIT: u32 = 500;

/// What a flow asks of its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The records with these keys. Answered by those that exist, in any order, and no others.
    Load {
        /// Which, each once.
        keys: Vec<RecordKey>,
    },
    /// A page of keys and revisions, in the order of the query.
    List {
        /// Which records.
        query: ListQuery,
        /// Where the last page ended; absent for the first.
        cursor: Option<String>,
    },
    /// Apply a change set, whole or not at all.
    Commit {
        /// What to apply.
        change_set: ChangeSet,
    },
    /// A page of audit events.
    Events {
        /// Which, and in which order.
        query: EventQuery,
        /// Where the last page ended; absent for the first.
        cursor: Option<String>,
    },
    /// Let some time pass.
    Wait {
        /// How much, in milliseconds.
        millis: u64,
    },
    /// The values of environment variables. Values come beside the answer, never in it.
    ReadEnv {
        /// Which.
        names: Vec<String>,
    },
    /// The contents of files.
    ReadFile {
        /// Which, as they were written.
        paths: Vec<String>,
    },
    /// A step of a rotation that the host's rotator does. To be activated, the value comes beside the request.
    Rotate {
        /// Which step.
        step: RotatorStep,
        /// Random, the same for every step of one rotation and whenever one is asked for again. Who is asked twice to create
        /// a value gives the same one or another; if the earlier is good no more then, it must not be activated.
        id: String,
        /// The secret's namespace.
        namespace: String,
        /// The secret's name.
        name: String,
        /// The number of the version that the value will be.
        version: u64,
    },
    /// A request of the storage contract, for the store that the vault is copied to and not for its own. Answered as that
    /// request is.
    Target {
        /// Which: to load, to list, to commit, or for events.
        request: Box<Request>,
    },
}

/// What a rotator is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RotatorStep {
    /// Have a new value made where the secret is used, such as by its provider. The old one stays good.
    Create,
    /// Make the value that was created the one in use, and leave the old one good as long as can be. It may be asked again
    /// after it was done.
    Activate,
}

impl Request {
    /// The name on the wire, such as `load`.
    pub const fn name(&self) -> &'static str {
        match self {
            Request::Load { .. } => "load",
            Request::List { .. } => "list",
            Request::Commit { .. } => "commit",
            Request::Events { .. } => "events",
            Request::Wait { .. } => "wait",
            Request::ReadEnv { .. } => "read_env",
            Request::ReadFile { .. } => "read_file",
            Request::Rotate { .. } => "rotate",
            Request::Target { .. } => "target",
        }
    }
}

/// Which records to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListQuery {
    /// Of which kind.
    pub kind: RecordKind,
    /// In one namespace, or in all.
    pub namespace: Option<String>,
    /// All of them, by namespace and name; or those that are found by something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Lookup>,
    /// How many at most.
    pub limit: u32,
}

/// What a list finds records by besides their keys: what [`Index`](crate::record::Index) said of them when they were put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// Those that are due at this instant or were before, the longest due first, then by namespace and name.
    Due(Timestamp),
    /// Those that end at this instant or did before, in the same order.
    Expired(Timestamp),
    /// Those with this fingerprint, by namespace and name.
    Fingerprint(String),
}

impl FromJson for Lookup {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let (tag, content) = tagged(value)?;
        match &*tag {
            "due" => Timestamp::from_json(content).map(Lookup::Due),
            "expired" => Timestamp::from_json(content).map(Lookup::Expired),
            "fingerprint" => String::from_json(content).map(Lookup::Fingerprint),
            _ => Err(unknown()),
        }
    }
}

/// Which events to read, and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventQuery {
    /// Which, and in which order.
    pub scope: EventScope,
    /// How many at most.
    pub limit: u32,
}

/// Which events, and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventScope {
    /// Those of one slot, whichever secrets had it, and old rows of that name; the latest first.
    Slot {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// All, the latest first.
    Latest,
    /// All that have a stream, by stream and place.
    Chained,
    /// All that have none: the rows of an adopted store, the oldest first.
    Unchained,
}

/// A record's key and revision, as lists give them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The key.
    pub key: RecordKey,
    /// The revision.
    pub revision: u64,
}

/// Whether a failed commit was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// It was not.
    No,
    /// Nobody knows: the flow will ask again.
    Unknown,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitAnswer {
    /// It was applied, now or before.
    Committed,
    /// A record was not as expected; nothing was applied.
    Conflict,
}

/// What a host answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `load`.
    Load {
        /// The records that exist.
        records: Vec<Record>,
    },
    /// To `list`.
    List {
        /// The page.
        items: Vec<Item>,
        /// Where it ended; absent when it was the last.
        cursor: Option<String>,
    },
    /// To `commit`.
    Commit(CommitAnswer),
    /// To `events`.
    Events {
        /// The page.
        events: Vec<Event>,
        /// Where it ended; absent when it was the last.
        cursor: Option<String>,
    },
    /// To `wait`.
    Wait {},
    /// To `read_env` and `read_file`, and to `rotate` when a value was to be created: what was found of each, in the order of
    /// the request. The values that are given come beside the answer, in the same order.
    Values {
        /// One for each.
        found: Vec<Found>,
    },
    /// To `rotate`: the value is in use.
    Activated {},
    /// To `read_env`, `read_file`, `rotate` and `target`: this host has no such thing.
    Unsupported {},
    /// To any request: the host failed. Its own exception stays with the host, as the cause.
    Failed {
        /// For a commit: whether it was applied.
        applied: Applied,
    },
}

/// What became of one thing that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// There is a value, and it comes beside the answer.
    Given,
    /// There is none.
    Missing,
    /// It could not be read.
    Failed,
}

/// An answer with the number of the request that it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// The number of the request.
    pub number: u64,
    /// The answer.
    pub answer: Answer,
}

impl FromJson for Request {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let (tag, content) = tagged(value)?;
        let mut fields = Fields::of(content)?;
        let request = match &*tag {
            "load" => Request::Load { keys: fields.take("keys")? },
            "list" => Request::List { query: fields.take("query")?, cursor: fields.take("cursor")? },
            "commit" => Request::Commit { change_set: fields.take("change_set")? },
            "events" => Request::Events { query: fields.take("query")?, cursor: fields.take("cursor")? },
            "wait" => Request::Wait { millis: fields.take("millis")? },
            "read_env" => Request::ReadEnv { names: fields.take("names")? },
            "read_file" => Request::ReadFile { paths: fields.take("paths")? },
            "rotate" => Request::Rotate {
                step: fields.take("step")?,
                id: fields.take("id")?,
                namespace: fields.take("namespace")?,
                name: fields.take("name")?,
                version: fields.take("version")?,
            },
            "target" => Request::Target { request: Box::new(fields.take("request")?) },
            _ => return Err(unknown()),
        };
        fields.end()?;
        Ok(request)
    }
}

impl FromJson for EventScope {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let (tag, content) = tagged(value)?;
        match (&*tag, content) {
            ("latest", Json::Null) => Ok(EventScope::Latest),
            ("chained", Json::Null) => Ok(EventScope::Chained),
            ("unchained", Json::Null) => Ok(EventScope::Unchained),
            ("slot", content) => {
                let mut fields = Fields::of(content)?;
                let (namespace, name) = (fields.take("namespace")?, fields.take("name")?);
                fields.end()?;
                Ok(EventScope::Slot { namespace, name })
            }
            _ => Err(unknown()),
        }
    }
}

impl FromJson for Answer {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let (tag, content) = tagged(value)?;
        if tag == "commit" {
            return CommitAnswer::from_json(content).map(Answer::Commit);
        }
        let mut fields = Fields::of(content)?;
        let answer = match &*tag {
            "load" => Answer::Load { records: fields.take("records")? },
            "list" => Answer::List { items: fields.take("items")?, cursor: fields.take("cursor")? },
            "events" => Answer::Events { events: fields.take("events")?, cursor: fields.take("cursor")? },
            "wait" => Answer::Wait {},
            "values" => Answer::Values { found: fields.take("found")? },
            "activated" => Answer::Activated {},
            "unsupported" => Answer::Unsupported {},
            "failed" => Answer::Failed { applied: fields.take("applied")? },
            _ => return Err(unknown()),
        };
        fields.end()?;
        Ok(answer)
    }
}

read_fields!(ListQuery { kind, namespace, by, limit });
read_fields!(EventQuery { scope, limit });
read_fields!(Item { key, revision });
read_names!(RotatorStep { "create" => Create, "activate" => Activate });
read_names!(Found { "given" => Given, "missing" => Missing, "failed" => Failed });
read_names!(Applied { "no" => No, "unknown" => Unknown });
read_names!(CommitAnswer { "committed" => Committed, "conflict" => Conflict });
deserialize_as_read!(Request, Reply);
read_fields!(Reply { number, answer });
