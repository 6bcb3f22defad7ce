//! SQLite, once for all hosts: the statements, which of them a request needs, and the adoption of an existing database.
//!
//! A host's store runs what it is told: it opens the database, passes JSON in and out, and knows no column by name.

mod adopt;
mod upgrade;

pub use adopt::plan_opening;

use crate::invalid_arguments;
use serde::Serialize;
use serde_json::{Map, Value, json};
use strongroom::flow::{ChangeSet, EventScope, Expected, ListQuery, Lookup, Request};
use strongroom::record::{RecordKey, RecordKind};
use strongroom::wire::read;
use strongroom::{Error, ErrorCode, Result};

const STATEMENTS: &str = include_str!("../../sql/sqlite/statements.sql");
const SCHEMA: &str = include_str!("../../sql/sqlite/schema.sql");

/// The version of the tables that this package reads and writes.
const SCHEMA_VERSION: u64 = 2;

/// An event as JSON, from a row of `secrets_audit`.
const EVENT: &str = "json_object(
  'stream', {text:stream}, 'seq', {count:seq}, 'at', {ms:created_at}, 'operation_id', {text:operation_id},
  'action', {text:action}, 'secret_uid', {text:secret_uid}, 'namespace', {text:namespace}, 'name', {text:secret_name},
  'actor', {text:user_id}, 'platform', {text:platform}, 'outcome', {text:outcome},
  'success', json(CASE WHEN success = 1 THEN 'true' WHEN success = 0 THEN 'false' ELSE 'null' END),
  'code', {text:code}, 'reason', {text:reason}, 'epoch', {count:epoch}, 'digest', {text:digest},
  'rule', {text:rule}, 'prev_mac', {text:prev_mac}, 'mac', {text:mac})";

/// What several statements have in common. Nothing of it asks with `OR`, by which SQLite could not go to the place where a
/// page begins: what is absent becomes the least value there is, or the greatest, which is a blob.
const FRAGMENTS: [(&str, &str); 5] = [
    ("{event}", EVENT),
    ("{before_event}", "coalesce(CAST(json_extract(?1, '$.cursor') AS INTEGER), 9223372036854775807)"),
    (
        "{after_key}",
        "(namespace, name) > (
  coalesce(json_extract(json_extract(?1, '$.cursor'), '$[0]'), json_extract(?1, '$.query.namespace'), ''),
  coalesce(json_extract(json_extract(?1, '$.cursor'), '$[1]'), ''))
  AND namespace <= coalesce(json_extract(?1, '$.query.namespace'), x'')",
    ),
    (
        "{last_instant}",
        "(
  coalesce(json_extract(json_extract(?1, '$.cursor'), '$[0]'), ''),
  coalesce(json_extract(json_extract(?1, '$.cursor'), '$[1]'), ''),
  coalesce(json_extract(json_extract(?1, '$.cursor'), '$[2]'), ''))",
    ),
    // Few records are due or over, so these are looked through.
    (
        "{in_namespace}",
        "(json_extract(?1, '$.query.namespace') IS NULL OR namespace = json_extract(?1, '$.query.namespace'))",
    ),
];

/// Every statement by name, as a JSON object.
pub fn statements() -> String {
    let mut statements = Map::new();
    for part in STATEMENTS.split("-- name: ").skip(1) {
        let (name, sql) = part.split_once('\n').unwrap_or((part, ""));
        let whole = FRAGMENTS.iter().fold(sql.trim().to_owned(), |sql, (name, text)| sql.replace(name, text));
        statements.insert(name.trim().to_owned(), Value::String(expand(&whole)));
    }
    Value::Object(statements).to_string()
}

/// The statements of a script without comments behind them, one by one.
fn split(script: &str) -> impl Iterator<Item = String> {
    let without_comments: String =
        script.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let statements: Vec<String> = without_comments.split(';').map(|sql| sql.trim().to_owned()).collect();
    statements.into_iter().filter(|sql| !sql.is_empty())
}

/// Writes the conversions out: `{ms:X}`, `{iso:X}`, `{instant:X}`, `{text:X}`, `{count:X}`, `{body:X}`.
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
            // What has no such text, before the year 0 or after 9999, stands at that end.
            "instant" => format!(
                "strftime('%Y-%m-%dT%H:%M:%fZ', max(min({operand}, 253402300799999), -62167219200000) / 1000.0, 'unixepoch')"
            ),
            "body" => format!("CASE WHEN json_valid(CAST({operand} AS TEXT)) THEN CAST({operand} AS TEXT) ELSE '{{}}' END"),
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
        Request::List { query, cursor } => read(list_statement(&query), json!({ "query": query, "cursor": cursor })),
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
        Request::Wait { .. }
        | Request::ReadEnv { .. }
        | Request::ReadFile { .. }
        | Request::Rotate { .. }
        | Request::Target { .. } => Err(Error::new(
            ErrorCode::InvalidArgument,
            "that is for the driver: a store loads, lists, commits, gives events",
        )),
    }
}

fn list_statement(query: &ListQuery) -> &'static str {
    let is_secret = query.kind == RecordKind::Secret;
    match (&query.by, is_secret) {
        (None, true) => "list_secrets",
        (None, false) => "list_records",
        (Some(Lookup::Expired(_)), true) => "list_expired_secrets",
        (Some(Lookup::Expired(_)), false) => "list_expired_records",
        (Some(Lookup::Due(_)), true) => "list_due",
        (Some(Lookup::Fingerprint(_)), true) => "list_fingerprint",
        // Other records are not due, and have no values that could be found.
        (Some(Lookup::Due(_) | Lookup::Fingerprint(_)), false) => "list_none",
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
        runs.push(run(of_kind(&put.record.key, on_secret, "put_record"), param(put)?));
        if put.record.key.kind == RecordKind::Secret {
            runs.extend(replace_fingerprints(&put.record.key, &put.index.fingerprints));
        }
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
        if delete.key.kind == RecordKind::Secret {
            runs.extend(replace_fingerprints(&delete.key, &[]));
        }
    }
    Ok(runs)
}

/// Also of a secret that is new: another program may have deleted one of its name, and not what it was found by.
fn replace_fingerprints(key: &RecordKey, fingerprints: &[String]) -> impl Iterator<Item = Run> {
    let param = json!({ "key": key, "fingerprints": fingerprints }).to_string();
    let statements =
        if fingerprints.is_empty() { &["drop_fingerprints"][..] } else { &["drop_fingerprints", "add_fingerprints"] };
    statements.iter().map(move |statement| Run { statement, param: param.clone(), expect: None })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the statements that a commit of these parts runs, in their order.
    fn run(parts: &Value) -> Vec<String> {
        let mut change_set =
            json!({ "operation_id": "1", "puts": [], "deletes": [], "checks": [], "counters": [], "events": [] });
        for (part, value) in parts.as_object().unwrap() {
            change_set[part] = value.clone();
        }
        let planned = plan(&json!({ "commit": { "change_set": change_set } }).to_string()).unwrap();
        let planned: Value = serde_json::from_str(&planned).unwrap();
        let name = |run: &Value| run["statement"].as_str().unwrap().to_owned();
        planned["write"].as_array().unwrap().iter().map(name).collect()
    }

    fn put(kind: &str, index: &Value) -> Value {
        let key = json!({ "kind": kind, "namespace": "", "name": "a" });
        json!({ "record": { "key": key, "revision": 1, "data": "{}" }, "expected": "absent", "index": index })
    }

    #[test]
    fn a_commit_that_puts_no_secret_runs_nothing_for_the_index() {
        let key = json!({ "kind": "secret", "namespace": "", "name": "a" });
        let count = json!([{ "key": key, "accessed": 1, "at": 1 }]);
        let parts = json!({ "puts": [put("stream", &json!({}))], "counters": count, "events": [{}] });
        let statements = ["applied", "revision_of_record", "place_taken", "put_record", "count_access", "insert_event"];
        assert_eq!(run(&parts), statements);
    }

    #[test]
    fn a_secret_s_fingerprints_are_replaced_with_it_and_go_with_it() {
        let found = put("secret", &json!({ "due_at": 1, "fingerprints": ["ab", "cd"] }));
        let statements = ["applied", "revision_of_secret", "insert_secret", "drop_fingerprints", "add_fingerprints"];
        assert_eq!(run(&json!({ "puts": [found] })), statements);
        let plain = put("secret", &json!({}));
        assert_eq!(run(&json!({ "puts": [plain] })), statements[..4]);
        let delete =
            json!({ "key": { "kind": "secret", "namespace": "", "name": "a" }, "expected": { "revision": 1 } });
        let statements = ["applied", "revision_of_secret", "delete_secret", "drop_fingerprints"];
        assert_eq!(run(&json!({ "deletes": [delete] })), statements);
    }
}
