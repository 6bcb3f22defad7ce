//! PostgreSQL, once for all hosts: four functions in the database answer the four requests of the storage contract.
//!
//! A host's store passes JSON in and out, as one statement and so as one transaction; it knows no table and no column.
//! The functions are made when the first host opens the database, and hold to the schema that they are made in.

use crate::invalid_arguments;
use serde::Deserialize;
use serde_json::json;
use strongroom::{Error, ErrorCode, Result};

/// Version 1 of the tables, and the functions over them. What comes later is a step of its own behind it.
const FIRST: [&str; 4] = [
    include_str!("../sql/postgres/tables.sql"),
    include_str!("../sql/postgres/values.sql"),
    include_str!("../sql/postgres/requests.sql"),
    include_str!("../sql/postgres/commit.sql"),
];

/// The version of the tables and functions that this package makes and calls.
const SCHEMA_VERSION: u64 = 1;

/// 14 is the first with an exact `extract` and with functions that are bound when they are made.
const SERVER_MIN: u64 = 140_000;

/// The settings of every function: that it looks nowhere but among what PostgreSQL brings, and that how it goes about the
/// tables is decided by their keys and not by what the statistics say of the moment.
const SETTINGS: &str = "SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
SET jit = off";

/// What the bodies of functions stand between: longer than a schema's name, which stands in them and may hold any other.
const BODY_QUOTE: &str = "$strongroom_strongroom_strongroom_strongroom_strongroom_strongroom_body$";

/// What an error of a server means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Taken back because of others, or of what they wrote meanwhile.
    Conflict,
    /// A text or a number that PostgreSQL cannot keep.
    Refused,
    /// A lock that somebody else has not let go of in time.
    Busy,
    /// The server ends the connection, or has no more of it.
    Lost,
    /// A prepared statement is gone (as after `DISCARD ALL`), is there twice, or gives something else than it did.
    Stale,
}

/// By how its SQLSTATE begins. An error that means nothing here is the host's to raise.
const MEANINGS: [(Meaning, &str, &[&str]); 5] = [
    (Meaning::Conflict, "conflict", &["40001", "40P01", "23505"]),
    (Meaning::Refused, "refused", &["22"]),
    (Meaning::Busy, "busy", &["55P03"]),
    (Meaning::Lost, "lost", &["08", "57P"]),
    (Meaning::Stale, "stale", &["26000", "42P05", "0A000"]),
];

impl Meaning {
    #[cfg(feature = "postgres")]
    pub(crate) fn of(state: &str) -> Option<Meaning> {
        let begins = |states: &[&str]| states.iter().any(|begin| state.starts_with(begin));
        MEANINGS.iter().find(|(_, _, states)| begins(states)).map(|(meaning, ..)| *meaning)
    }

    /// What a store fails with in place of the server's error, where this request has applied nothing.
    pub(crate) const fn failure(self) -> Option<(ErrorCode, &'static str)> {
        match self {
            Meaning::Refused => {
                Some((ErrorCode::InvalidArgument, "PostgreSQL cannot keep what the request holds; nothing was applied"))
            }
            Meaning::Busy => Some((
                ErrorCode::StorageFailed,
                "another transaction did not let go of a lock before lock_timeout was over; nothing was applied: look in \
                 pg_stat_activity for a long commit, or for who is idle in a transaction, then try again",
            )),
            Meaning::Conflict | Meaning::Lost | Meaning::Stale => None,
        }
    }
}

fn meanings() -> serde_json::Value {
    let told = MEANINGS.iter().map(|(meaning, name, states)| {
        let failure = meaning.failure().map(|(code, message)| json!({ "code": code.name(), "message": message }));
        ((*name).to_owned(), json!({ "states": states, "failure": failure }))
    });
    serde_json::Value::Object(told.collect())
}

/// The schema of a vault: its name, as an identifier and as a literal.
struct Schema {
    identifier: String,
    literal: String,
}

impl Schema {
    fn parse(name: &str) -> Result<Schema> {
        if name.is_empty() || name.len() > 63 || name.contains('\0') {
            return Err(invalid_arguments("the schema", "its name has 1 to 63 bytes, and none of them is 0"));
        }
        if name == "$user" {
            return Err(invalid_arguments("the schema", "$user stands for others in PostgreSQL: give its own name"));
        }
        let identifier = format!("\"{}\"", name.replace('"', "\"\""));
        let literal = format!("E'{}'", name.replace('\\', "\\\\").replace('\'', "''"));
        Ok(Schema { identifier, literal })
    }

    /// In one pass: a name that looks like a place to fill in stays a name.
    fn fill(&self, sql: &str) -> String {
        let sql = sql.replace("{settings}", SETTINGS).replace("$$", BODY_QUOTE);
        let parts: Vec<String> =
            sql.split("{schema_name}").map(|part| part.replace("{schema}", &self.identifier)).collect();
        parts.join(&self.literal)
    }
}

/// Every function by its full name, and every operator for the types that it is given: a session may look through a schema
/// where others have put better matches. `strangers` are tables and functions by our names, of owners whom neither the
/// schema, the database nor the session's role has anything to do with.
const INSPECT: &str = "SELECT pg_catalog.json_build_object(
  'server', pg_catalog.current_setting('server_version_num')::integer,
  'encoding', pg_catalog.getdatabaseencoding(),
  'is_replica', pg_catalog.pg_is_in_recovery(),
  'has_schema', EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {schema_name}),
  'is_open', EXISTS (
    SELECT FROM pg_catalog.pg_namespace CROSS JOIN LATERAL pg_catalog.aclexplode(nspacl) AS granted
    WHERE nspname = {schema_name} AND granted.grantee = '0' AND granted.privilege_type = 'CREATE'),
  'strangers', (
    SELECT coalesce(pg_catalog.json_agg(made.name), '[]')
    FROM (
      SELECT relname AS name, relowner AS owner, relnamespace AS namespace FROM pg_catalog.pg_class
      WHERE relname IN
        ('secrets', 'secrets_audit', 'strongroom_records', 'strongroom_fingerprints', 'strongroom_schema')
      UNION ALL
      SELECT proname, proowner, pronamespace FROM pg_catalog.pg_proc
      WHERE pg_catalog.starts_with(proname::text, 'strongroom_')) AS made
    JOIN pg_catalog.pg_namespace AS n ON n.oid = made.namespace
    JOIN pg_catalog.pg_roles AS owners ON owners.oid = made.owner
    JOIN pg_catalog.pg_roles AS session ON session.rolname = current_user
    JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
    WHERE n.nspname = {schema_name} AND made.owner NOT IN (n.nspowner, d.datdba) AND NOT owners.rolsuper
      -- A superuser is not a member of every role, though PostgreSQL says so.
      AND (session.rolsuper OR NOT pg_catalog.pg_has_role(made.owner, 'MEMBER'))),
  'tables', (
    SELECT coalesce(pg_catalog.json_agg(relname), '[]')
    FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace
    WHERE nspname = {schema_name} AND relname IN
      ('secrets', 'secrets_audit', 'strongroom_records', 'strongroom_fingerprints', 'strongroom_schema')))::text AS inspection";

const LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(
  pg_catalog.hashtext('strongroom'), pg_catalog.hashtext({schema_name}))::text AS lock";

/// The statements that a store runs, as a JSON object.
///
/// `load`, `list`, `events` and `commit` take one parameter, `$1`: what the contract's request of that name carries, as
/// JSON text. Each gives one row with one column, `answer`: what the contract's answer carries, as JSON text. Each is to
/// be one transaction of its own, in READ COMMITTED.
///
/// To open a database: `inspect` gives an `inspection` for [`plan_opening`], and `version`, where that asks for it, the
/// version. Where there is anything to run, it begins anew in a transaction, with `lock` before `inspect`.
///
/// `meanings` is what the server's errors mean: by name, the beginnings of their SQLSTATEs (`states`) and the `failure`,
/// `code` and `message`, that the store raises in place of the error, if any. `conflict` is the answer to a commit.
/// `refused` and `busy` have applied nothing; of a request that was `lost` before it was `busy` or a `conflict`, nobody
/// knows. After `lost` and `stale` the connection is of no more use, and the request is asked once more by another: a
/// commit is told by its operation id. Whatever else a commit ends by, the store does not know what became of it.
///
/// Errors: `INVALID_ARGUMENT` for a schema that no database can have.
///
/// ```
/// let statements = strongroom_bindings::postgres::statements("public")?;
/// assert!(statements.contains(r#"SELECT \"public\".strongroom_load($1::jsonb)::text AS answer"#));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn statements(schema: &str) -> Result<String> {
    let schema = Schema::parse(schema)?;
    let call = |name: &str| schema.fill(&format!("SELECT {{schema}}.strongroom_{name}($1::jsonb)::text AS answer"));
    Ok(json!({
        "load": call("load"),
        "list": call("list"),
        "events": call("events"),
        "commit": call("commit"),
        "lock": schema.fill(LOCK),
        "inspect": schema.fill(INSPECT),
        "version": schema.fill("SELECT version FROM {schema}.strongroom_schema"),
        "meanings": meanings(),
    })
    .to_string())
}

#[derive(Deserialize)]
struct Inspection {
    server: u64,
    encoding: String,
    is_replica: bool,
    has_schema: bool,
    is_open: bool,
    strangers: Vec<String>,
    tables: Vec<String>,
}

/// What to run on a database that was just opened, given what `inspect` says of it and the version that `version` gives, if
/// it was asked.
///
/// Gives `{"state": "current" | "fresh" | "unknown", "statements": [...]}`, to be run in one transaction; `unknown` asks
/// for the version. Errors: `INVALID_ARGUMENT`; `UNSUPPORTED` for tables of a newer version or of another program, for a
/// server that cannot keep a vault, and for a schema in which others could put what the session's role would run.
pub fn plan_opening(schema: &str, inspection: &str, version: Option<u64>) -> Result<String> {
    let schema = Schema::parse(schema)?;
    let inspection: Inspection =
        serde_json::from_str(inspection).map_err(|_| invalid_arguments("the inspection", "it has another shape"))?;
    inspection.allow_a_vault()?;
    inspection.refuse_others(&schema)?;
    let is_ours = inspection.tables.iter().any(|table| table == "strongroom_schema");
    let (state, statements) = match (is_ours, version) {
        (true, None) => ("unknown", Vec::new()),
        (true, Some(SCHEMA_VERSION)) => ("current", Vec::new()),
        (true, Some(_)) => {
            return Err(unsupported("the tables were made by a newer strongroom: update this one"));
        }
        (false, _) => match inspection.tables.first() {
            Some(table) => {
                return Err(unsupported(&format!(
                    "the schema has a table {table} of another program: give the vault a schema of its own"
                )));
            }
            None => ("fresh", fresh(&schema, inspection.has_schema)),
        },
    };
    Ok(json!({ "state": state, "statements": statements }).to_string())
}

impl Inspection {
    fn allow_a_vault(&self) -> Result<()> {
        if self.server < SERVER_MIN {
            return Err(unsupported("the server is older than PostgreSQL 14: update it"));
        }
        if self.encoding != "UTF8" {
            return Err(unsupported("the database is not encoded in UTF8: make one with ENCODING 'UTF8'"));
        }
        if self.is_replica {
            return Err(unsupported("the server is a replica, which takes no writes: connect to the primary"));
        }
        Ok(())
    }

    /// What others put in the schema would run with the rights of the session's role.
    fn refuse_others(&self, schema: &Schema) -> Result<()> {
        if self.is_open {
            return Err(unsupported(&format!(
                "everybody may create in the schema: run REVOKE CREATE ON SCHEMA {} FROM PUBLIC, or give the vault a schema \
                 of its own",
                schema.identifier
            )));
        }
        match self.strangers.first() {
            None => Ok(()),
            Some(name) => Err(unsupported(&format!(
                "{name} in the schema belongs to a role that owns neither the schema nor the database: have the owner of \
                 the schema own it, or give the vault a schema of its own"
            ))),
        }
    }
}

fn fresh(schema: &Schema, has_schema: bool) -> Vec<String> {
    let make_schema = (!has_schema).then(|| schema.fill("CREATE SCHEMA {schema}"));
    // Checks of columns, and what is bound when it is made, look where the session looks.
    let look_nowhere_else = "SET LOCAL search_path = pg_catalog, pg_temp".to_owned();
    let script = FIRST.iter().flat_map(|script| split(script)).map(|sql| schema.fill(&sql));
    [look_nowhere_else].into_iter().chain(make_schema).chain(script).collect()
}

/// The statements of a script: each begins with a word at the beginning of a line, its comments stand before it.
fn split(script: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for line in script.lines() {
        if line.starts_with("CREATE ") || line.starts_with("INSERT ") {
            statements.push(String::new());
        }
        if let Some(statement) = statements.last_mut().filter(|_| !line.starts_with("--")) {
            statement.push_str(line);
            statement.push('\n');
        }
    }
    statements.iter().map(|sql| sql.trim_end().trim_end_matches(';').to_owned()).collect()
}

fn unsupported(message: &str) -> Error {
    Error::new(ErrorCode::Unsupported, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn inspection(changes: &Value) -> String {
        let mut inspection = json!({
            "server": 150_018, "encoding": "UTF8", "is_replica": false, "has_schema": true, "is_open": false,
            "strangers": [], "tables": [],
        });
        for (name, value) in changes.as_object().unwrap() {
            inspection[name] = value.clone();
        }
        inspection.to_string()
    }

    fn planned(changes: &Value, version: Option<u64>) -> Value {
        serde_json::from_str(&plan_opening("public", &inspection(changes), version).unwrap()).unwrap()
    }

    fn refused(changes: &Value, version: Option<u64>) -> String {
        let error = plan_opening("public", &inspection(changes), version).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        error.message().to_owned()
    }

    #[test]
    fn a_fresh_schema_gets_every_table_and_function_and_is_made_where_there_is_none() {
        let made = planned(&json!({}), None);
        assert_eq!(made["state"], "fresh");
        let statements: Vec<&str> =
            made["statements"].as_array().unwrap().iter().map(|sql| sql.as_str().unwrap()).collect();
        assert_eq!(statements.iter().filter(|sql| sql.starts_with("CREATE TABLE")).count(), 5);
        assert_eq!(statements.iter().filter(|sql| sql.starts_with("CREATE FUNCTION")).count(), 11);
        let names_its_schema = |sql: &str| sql.lines().next().is_some_and(|line| line.contains("\"public\"."));
        assert_eq!(statements[0], "SET LOCAL search_path = pg_catalog, pg_temp");
        assert!(statements[1..].iter().all(|sql| names_its_schema(sql)), "{statements:?}");
        assert!(!statements.iter().any(|sql| sql.contains("{schema") || sql.contains("{settings")));
        assert_eq!(planned(&json!({ "has_schema": false }), None)["statements"][1], "CREATE SCHEMA \"public\"");
    }

    #[test]
    fn what_is_there_is_asked_for_its_version_and_a_newer_one_is_refused() {
        let ours = json!({ "tables": ["secrets", "strongroom_schema"] });
        assert_eq!(planned(&ours, None)["state"], "unknown");
        assert_eq!(planned(&ours, Some(SCHEMA_VERSION))["state"], "current");
        assert!(refused(&ours, Some(SCHEMA_VERSION + 1)).contains("update"));
    }

    #[test]
    fn tables_of_another_program_and_servers_that_keep_no_vault_are_refused() {
        assert!(refused(&json!({ "tables": ["secrets"] }), None).contains("secrets"));
        assert!(refused(&json!({ "server": 130_011 }), None).contains("14"));
        assert!(refused(&json!({ "encoding": "SQL_ASCII" }), None).contains("UTF8"));
        assert!(refused(&json!({ "is_replica": true }), None).contains("primary"));
    }

    #[test]
    fn a_schema_where_others_may_create_or_have_created_is_refused_whatever_is_there() {
        let ours = json!(["secrets", "strongroom_schema"]);
        for tables in [json!([]), ours] {
            let open = refused(&json!({ "is_open": true, "tables": tables }), None);
            assert!(open.contains("REVOKE CREATE ON SCHEMA \"public\" FROM PUBLIC"), "{open}");
            let planted = refused(&json!({ "strangers": ["strongroom_count"], "tables": tables }), None);
            assert!(planted.contains("strongroom_count"), "{planted}");
        }
    }

    #[test]
    fn no_body_looks_anything_of_ours_up_and_no_name_ends_one() {
        let made = plan_opening("$$", &inspection(&json!({ "has_schema": false })), None).unwrap();
        let made: Value = serde_json::from_str(&made).unwrap();
        for sql in made["statements"].as_array().unwrap().iter().map(|sql| sql.as_str().unwrap()) {
            for (at, _) in sql.match_indices("strongroom_").filter(|(at, _)| !sql[..*at].ends_with('_')) {
                let is_called = sql[at..].find(|c: char| c != '_' && !c.is_alphanumeric());
                let is_called = is_called.is_some_and(|end| sql[at + end..].starts_with('('));
                assert!(!is_called || sql[..at].ends_with("\"$$\"."), "{sql}");
            }
            for table in ["FROM secrets", "JOIN secrets", "INTO secrets", "UPDATE secrets", "FROM strongroom_"] {
                assert!(!sql.contains(table), "{sql}");
            }
        }
        assert!(BODY_QUOTE.len() > 63);
    }

    #[test]
    fn a_schema_s_name_stays_a_name() {
        for (name, identifier, literal) in [
            ("app", "\"app\"", "E'app'"),
            ("a\"; DROP TABLE x; --", "\"a\"\"; DROP TABLE x; --\"", "E'a\"; DROP TABLE x; --'"),
            ("o'b\\'", "\"o'b\\'\"", "E'o''b\\\\'''"),
            ("{settings}$$", "\"{settings}$$\"", "E'{settings}$$'"),
            ("{schema}{schema_name}", "\"{schema}{schema_name}\"", "E'{schema}{schema_name}'"),
        ] {
            let schema = Schema::parse(name).unwrap();
            assert_eq!((schema.identifier.as_str(), schema.literal.as_str()), (identifier, literal));
            assert_eq!(schema.fill("{schema}|{schema_name}"), format!("{identifier}|{literal}"));
        }
        for name in ["", "a\0b", "$user", &"x".repeat(64)] {
            assert_eq!(statements(name).unwrap_err().code(), ErrorCode::InvalidArgument);
        }
    }
}
