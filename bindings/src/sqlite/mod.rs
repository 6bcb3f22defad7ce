//! SQLite, once for all hosts: the statements, which of them a request needs, and the adoption of an existing database.
//!
//! A host's store runs what it is told: it opens the database, passes JSON in and out, and knows no column by name.

mod adopt;

pub use adopt::plan_opening;

use crate::invalid_arguments;
use serde::Serialize;
use serde_json::{Map, Value, json};
use strongroom::flow::{ChangeSet, EventScope, Expected, Request};
use strongroom::record::{RecordKey, RecordKind};
use strongroom::wire::read;
use strongroom::{Error, ErrorCode, Result};

const STATEMENTS: &str = include_str!("../../sql/sqlite/statements.sql");
const SCHEMA: &str = include_str!("../../sql/sqlite/schema.sql");

/// The version of the tables that this package reads and writes.
const SCHEMA_VERSION: u64 = 1;

/// An event as JSON, from a row of `secrets_audit`.
const EVENT: &str = "json_object(
  'stream', {text:stream}, 'seq', {count:seq}, 'at', {ms:created_at}, 'operation_id', {text:operation_id},
  'action', {text:action}, 'secret_uid', {text:secret_uid}, 'namespace', {text:namespace}, 'name', {text:secret_name},
  'actor', {text:user_id}, 'platform', {text:platform}, 'outcome', {text:outcome},
  'success', json(CASE WHEN success = 1 THEN 'true' WHEN success = 0 THEN 'false' ELSE 'null' END),
  'code', {text:code}, 'reason', {text:reason}, 'epoch', {count:epoch}, 'digest', {text:digest},
  'prev_mac', {text:prev_mac}, 'mac', {text:mac})";

/// Every statement by name, as a JSON object.
pub fn statements() -> String {
    let mut statements = Map::new();
    for part in STATEMENTS.split("-- name: ").skip(1) {
        let (name, sql) = part.split_once('\n').unwrap_or((part, ""));
        statements.insert(name.trim().to_owned(), Value::String(expand(&sql.trim().replace("{event}", EVENT))));
    }
    Value::Object(statements).to_string()
}

/// Writes the conversions out: `{ms:X}`, `{iso:X}`, `{text:X}`, `{count:X}`.
fn expand(sql: &str) -> String {
    let mut expanded = String::with_capacity(sql.len() * 2);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('{') {
        expanded.push_str(before);
        let (conversion, after) = after.split_once(':').unwrap_or((after, ""));
        let (operand, after) = after.split_once('}').unwrap_or((after, ""));
        expanded.push_str(&match conversion {
            "ms" => format!("CAST(round((julianday({operand}) - 2440587.5) * 86400000.0) AS INTEGER)"),
            "iso" => format!("strftime('%Y-%m-%dT%H:%M:%fZ', {operand} / 1000.0, 'unixepoch')"),
            "count" => format!("max(CAST({operand} AS INTEGER), 0)"),
            _ => format!("CAST({operand} AS TEXT)"),
        });
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}

/// One statement to run with one parameter.
#[derive(Serialize)]
struct Run {
    statement: &'static str,
    param: String,
    /// When present: the value that the first column of the first row must have, null for no row; and what the commit
    /// comes to when it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: Option<Expect>,
}

#[derive(Serialize)]
struct Expect {
    value: Option<u64>,
    otherwise: &'static str,
}

/// What to run for a request of the storage contract, as JSON.
///
/// For `load`, `list` and `events`: `{"read": {"statement", "param"}}`, whose rows are the answer: each a record or an
/// item as JSON and, for pages, its cursor; a page that is full has a next one. For `commit`: `{"write": [run, ...]}`,
/// to be run in one `BEGIN IMMEDIATE` transaction; where an expectation is not met, nothing is applied and the answer is
/// what it says. Errors: `INVALID_ARGUMENT`.
pub fn plan(request: &str) -> Result<String> {
    let parsed: Request = read(request).map_err(|fault| invalid_arguments("the request", &fault))?;
    let read = |statement: &str, param: Value| {
        Ok(json!({ "read": { "statement": statement, "param": param.to_string() } }).to_string())
    };
    match parsed {
        Request::Load { keys } => read("load", json!({ "keys": keys })),
        Request::List { query, cursor } => {
            let statement = if query.kind == RecordKind::Secret { "list_secrets" } else { "list_records" };
            read(statement, json!({ "query": query, "cursor": cursor }))
        }
        Request::Events { query, cursor } => {
            let statement = match query.scope {
                EventScope::Slot { .. } => "events_slot",
                EventScope::Latest => "events_latest",
                EventScope::Chained => "events_chained",
                EventScope::Unchained => "events_unchained",
            };
            read(statement, json!({ "query": query, "cursor": cursor }))
        }
        Request::Commit { change_set } => {
            let runs = plan_commit(&change_set)?;
            Ok(json!({ "write": runs }).to_string())
        }
        Request::Wait { .. } | Request::ReadEnv { .. } | Request::ReadFile { .. } | Request::Rotate { .. } => {
            Err(Error::new(
                ErrorCode::InvalidArgument,
                "that is for the driver: a store loads, lists, commits, gives events",
            ))
        }
    }
}

fn plan_commit(change_set: &ChangeSet) -> Result<Vec<Run>> {
    let mut runs = vec![Run {
        statement: "applied",
        param: json!({ "operation_id": change_set.operation_id }).to_string(),
        expect: Some(Expect { value: None, otherwise: "committed" }),
    }];
    let puts = change_set.puts.iter().map(|put| (&put.record.key, put.expected));
    let deletes = change_set.deletes.iter().map(|delete| (&delete.key, delete.expected));
    let checks = change_set.checks.iter().map(|check| (&check.key, check.expected));
    for (key, expected) in puts.chain(deletes).chain(checks) {
        runs.push(Run {
            statement: of_kind(key, "revision_of_secret", "revision_of_record"),
            param: param(key)?,
            expect: Some(conflict_unless(match expected {
                Expected::Absent => None,
                Expected::Revision(revision) => Some(revision),
            })),
        });
    }
    for event in &change_set.events {
        runs.push(Run { statement: "place_taken", param: param(event)?, expect: Some(conflict_unless(None)) });
    }
    let run = |statement, param| Run { statement, param, expect: None };
    for put in &change_set.puts {
        let on_secret = if put.expected == Expected::Absent { "insert_secret" } else { "update_secret" };
        runs.push(run(of_kind(&put.record.key, on_secret, "put_record"), param(&put.record)?));
    }
    for delta in &change_set.counters {
        runs.push(run("count_access", param(delta)?));
    }
    // Before the deletions, so that an event finds the row of the secret that it is about.
    for event in &change_set.events {
        runs.push(run("insert_event", param(event)?));
    }
    for delete in &change_set.deletes {
        runs.push(run(of_kind(&delete.key, "delete_secret", "delete_record"), param(&delete.key)?));
    }
    Ok(runs)
}

fn conflict_unless(value: Option<u64>) -> Expect {
    Expect { value, otherwise: "conflict" }
}

fn of_kind(key: &RecordKey, secret: &'static str, other: &'static str) -> &'static str {
    if key.kind == RecordKind::Secret { secret } else { other }
}

fn param<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| invalid_arguments("the change set", "it can't be written as JSON"))
}
