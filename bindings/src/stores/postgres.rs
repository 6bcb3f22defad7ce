//! The vault's records and events in PostgreSQL, through the crate `postgres`.
//!
//! One connection, made anew when it is lost. A request is one prepared statement, one round trip, and one transaction.

use crate::postgres::{self as sql, Meaning};
use crate::{invalid_arguments, json_of};
use core::fmt;
use core::time::Duration;
use postgres::config::{Host, SslMode};
use postgres::types::Type;
use postgres::{Client, Config, IsolationLevel, NoTls, Row, Statement};
use serde::Deserialize;
use std::collections::HashMap;
use strongroom::audit::Event;
use strongroom::flow::{Applied, ChangeSet, CommitAnswer, EventQuery, Item, ListQuery};
use strongroom::record::{Record, RecordKey};
use strongroom::store::{CommitFailed, Page, Store};
use strongroom::wire::read;
use strongroom::{Answer, Error, ErrorCode};

pub use tokio_postgres_rustls::MakeRustlsConnect;

/// When a connection is encrypted, and to whom.
#[derive(Clone)]
pub enum Tls {
    /// To another machine always, to a server whose certificate one of Mozilla's authorities has signed for its name.
    Required,
    /// The same, by other authorities.
    RequiredBy(MakeRustlsConnect),
    /// As the URL says: something else protects the connection.
    NotRequired,
}

/// How a PostgreSQL database is opened.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The schema that the tables are in. It is made where there is none.
    pub schema: String,
    /// How the connection is protected.
    pub tls: Tls,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        PostgresOptions { schema: "public".to_owned(), tls: Tls::Required }
    }
}

/// What a PostgreSQL store fails with.
#[derive(Debug)]
pub enum PostgresError {
    /// `INVALID_ARGUMENT`; `UNSUPPORTED` for tables or a server that keep no vault.
    Vault(Error),
    /// What an error of the server means, which is the source: `INVALID_ARGUMENT` for what PostgreSQL cannot keep,
    /// `STORAGE_FAILED` for a lock that another transaction did not let go of. Nothing was applied.
    Server(Error, postgres::Error),
    /// What the driver says.
    Driver(postgres::Error),
}

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostgresError::Vault(why) | PostgresError::Server(why, _) => why.fmt(f),
            PostgresError::Driver(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for PostgresError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            PostgresError::Vault(_) => None,
            PostgresError::Server(_, source) => Some(source),
            PostgresError::Driver(why) => why.source(),
        }
    }
}

impl From<Error> for PostgresError {
    fn from(why: Error) -> Self {
        PostgresError::Vault(why)
    }
}

impl From<postgres::Error> for PostgresError {
    fn from(why: postgres::Error) -> Self {
        PostgresError::Driver(why)
    }
}

/// A store in a PostgreSQL database (14 or later), which hosts in any language may share.
///
/// ```no_run
/// use strongroom_bindings::stores::{PostgresOptions, PostgresStore};
/// let store = PostgresStore::open("postgresql://app@db.example.com/app", PostgresOptions::default())?;
/// # Ok::<(), strongroom_bindings::stores::PostgresError>(())
/// ```
pub struct PostgresStore {
    config: Config,
    connector: MakeRustlsConnect,
    statements: Statements,
    connection: Option<Connection>,
}

#[derive(Deserialize)]
struct Statements {
    load: String,
    list: String,
    events: String,
    commit: String,
    lock: String,
    inspect: String,
    version: String,
}

#[derive(Deserialize)]
struct Opening {
    state: String,
    statements: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    Load,
    List,
    Events,
    Commit,
}

struct Connection {
    client: Client,
    prepared: HashMap<Asked, Statement>,
}

impl PostgresStore {
    /// Opens a database: tables and functions are made where they are missing, whoever else opens it at the same time.
    ///
    /// `url` is `postgresql://...`, or `host=... user=...`. Errors: `INVALID_ARGUMENT` for what is no URL, and for
    /// `sslmode=disable` to another machine; `UNSUPPORTED`; and what the driver says.
    pub fn open(url: &str, options: PostgresOptions) -> Result<PostgresStore, PostgresError> {
        let PostgresOptions { schema, tls } = options;
        let mut config = parse_url(url)?;
        require_tls(&mut config, &tls)?;
        let connector = match tls {
            Tls::RequiredBy(connector) => connector,
            Tls::Required | Tls::NotRequired => MakeRustlsConnect::with_webpki_roots(),
        };
        let statements = read_plan(&sql::statements(&schema)?)?;
        let mut store = PostgresStore { config, connector, statements, connection: None };
        store.make_tables(&schema)?;
        Ok(store)
    }

    fn make_tables(&mut self, schema: &str) -> Result<(), PostgresError> {
        let (connection, statements) =
            (connected(&mut self.connection, &self.config, &self.connector)?, &self.statements);
        let plan = plan_opening(schema, statements, |text| connection.client.query_one(text, &[]))?;
        if plan.state == "current" {
            return Ok(());
        }
        let isolation = IsolationLevel::ReadCommitted;
        let mut transaction = connection.client.build_transaction().isolation_level(isolation).start()?;
        transaction.query_one(&statements.lock, &[])?;
        // Planned again: another process may have come first.
        let plan = plan_opening(schema, statements, |text| transaction.query_one(text, &[]))?;
        for statement in &plan.statements {
            transaction.batch_execute(statement)?;
        }
        Ok(transaction.commit()?)
    }

    fn ask(&mut self, asked: Asked, content: &str) -> Result<String, Failed> {
        let why = match self.ask_once(asked, content) {
            Ok(told) => return Ok(told),
            Err(why) => why,
        };
        let first = meaning_of(&why);
        if !matches!(first, Some(Meaning::Lost | Meaning::Stale)) {
            return Err(Failed { meaning: first, why });
        }
        // Once more, by a new connection: that one may have been gone for long. A commit is told by its operation id.
        self.connection = None;
        self.ask_once(asked, content).map_err(|why| {
            // That this one was only kept waiting, or taken back, tells nothing of one that was lost.
            let tells_nothing = |meaning: &Meaning| matches!(meaning, Meaning::Busy | Meaning::Conflict);
            let meaning = meaning_of(&why).filter(|meaning| first == Some(Meaning::Stale) || !tells_nothing(meaning));
            Failed { meaning, why }
        })
    }

    fn ask_once(&mut self, asked: Asked, content: &str) -> Result<String, postgres::Error> {
        let connection = connected(&mut self.connection, &self.config, &self.connector)?;
        let statement = match connection.prepared.get(&asked) {
            Some(statement) => statement.clone(),
            None => {
                let text = match asked {
                    Asked::Load => &self.statements.load,
                    Asked::List => &self.statements.list,
                    Asked::Events => &self.statements.events,
                    Asked::Commit => &self.statements.commit,
                };
                let statement = connection.client.prepare_typed(text, &[Type::TEXT])?;
                connection.prepared.insert(asked, statement.clone());
                statement
            }
        };
        connection.client.query_one(&statement, &[&content])?.try_get(0)
    }
}

impl Store for PostgresStore {
    type Error = PostgresError;

    fn load(&mut self, keys: &[RecordKey]) -> Result<Vec<Record>, PostgresError> {
        let told = self.ask(Asked::Load, &format!("{{\"keys\":{}}}", json_of(&keys)))?;
        match answer("load", &told)? {
            Answer::Load { records } => Ok(records),
            _ => Err(another_shape()),
        }
    }

    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, PostgresError> {
        let content = format!("{{\"query\":{},\"cursor\":{}}}", json_of(query), json_of(&cursor));
        match answer("list", &self.ask(Asked::List, &content)?)? {
            Answer::List { items, cursor } => Ok(Page { items, cursor }),
            _ => Err(another_shape()),
        }
    }

    fn events(&mut self, query: &EventQuery, cursor: Option<&str>) -> Result<Page<Event>, PostgresError> {
        let content = format!("{{\"query\":{},\"cursor\":{}}}", json_of(query), json_of(&cursor));
        match answer("events", &self.ask(Asked::Events, &content)?)? {
            Answer::Events { events, cursor } => Ok(Page { items: events, cursor }),
            _ => Err(another_shape()),
        }
    }

    fn commit(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, CommitFailed<PostgresError>> {
        let unknown = |cause| CommitFailed { applied: Applied::Unknown, cause };
        match self.ask(Asked::Commit, &format!("{{\"change_set\":{}}}", json_of(change_set))) {
            Ok(told) => match answer("commit", &told).map_err(unknown)? {
                Answer::Commit(answer) => Ok(answer),
                _ => Err(unknown(another_shape())),
            },
            Err(Failed { meaning: Some(Meaning::Conflict), .. }) => Ok(CommitAnswer::Conflict),
            Err(failed) => match failed.into() {
                cause @ PostgresError::Server(..) => Err(CommitFailed { applied: Applied::No, cause }),
                cause => Err(unknown(cause)),
            },
        }
    }
}

/// What a request ended by, and what that means for it.
struct Failed {
    meaning: Option<Meaning>,
    why: postgres::Error,
}

impl From<Failed> for PostgresError {
    fn from(failed: Failed) -> PostgresError {
        match failed.meaning.and_then(Meaning::failure) {
            Some((code, message)) => PostgresError::Server(Error::new(code, message), failed.why),
            None => PostgresError::Driver(failed.why),
        }
    }
}

fn connected<'a>(
    connection: &'a mut Option<Connection>,
    config: &Config,
    connector: &MakeRustlsConnect,
) -> Result<&'a mut Connection, postgres::Error> {
    let open = match connection.take().filter(|connection| !connection.client.is_closed()) {
        Some(open) => open,
        None => {
            let client = match config.get_ssl_mode() {
                SslMode::Disable => config.connect(NoTls)?,
                _ => config.connect(connector.clone())?,
            };
            Connection { client, prepared: HashMap::new() }
        }
    };
    Ok(connection.insert(open))
}

fn plan_opening(
    schema: &str,
    statements: &Statements,
    mut first: impl FnMut(&str) -> Result<Row, postgres::Error>,
) -> Result<Opening, PostgresError> {
    let inspection: String = first(&statements.inspect)?.try_get(0)?;
    let plan: Opening = read_plan(&sql::plan_opening(schema, &inspection, None)?)?;
    if plan.state != "unknown" {
        return Ok(plan);
    }
    let version: i32 = first(&statements.version)?.try_get(0)?;
    Ok(read_plan(&sql::plan_opening(schema, &inspection, u64::try_from(version).ok())?)?)
}

fn read_plan<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|_| invalid_arguments("the plan", "it has another shape"))
}

/// What a function has told, as the answer of that name.
fn answer(name: &str, told: &str) -> Result<Answer, PostgresError> {
    read(&format!("{{\"{name}\":{told}}}")).map_err(|_| another_shape())
}

fn another_shape() -> PostgresError {
    Error::new(ErrorCode::Unsupported, "the database answers in another shape: restore its functions".to_owned()).into()
}

/// Without a word of the server's, the connection is gone.
fn meaning_of(why: &postgres::Error) -> Option<Meaning> {
    why.code().map_or(Some(Meaning::Lost), |state| Meaning::of(state.code()))
}

fn parse_url(url: &str) -> Result<Config, Error> {
    let refused = |_| invalid_arguments("the URL", "it is none of a database, such as postgresql://user@host/database");
    let mut config: Config = in_known_modes(url).parse().map_err(refused)?;
    if config.get_application_name().is_none() {
        config.application_name("strongroom");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    Ok(config)
}

/// The driver always checks the certificate and the name, and knows no modes that say so: `require` is what stands for
/// them. Of a URL only the query is looked through, as the driver splits it; whatever else may be a password.
fn in_known_modes(url: &str) -> String {
    let known = |parameter: &str| match parameter {
        "sslmode=verify-full" | "sslmode=verify-ca" => "sslmode=require".to_owned(),
        other => other.to_owned(),
    };
    let each = |text: &str, separator: &str| text.split(separator).map(known).collect::<Vec<_>>().join(separator);
    if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
        let parts = url.split('\'').enumerate();
        let outside_quotes = |(index, part)| if index % 2 == 0 { each(part, " ") } else { part.to_owned() };
        // What is escaped is left as it is; the driver refuses a mode that it does not know.
        return if url.contains('\\') {
            url.to_owned()
        } else {
            parts.map(outside_quotes).collect::<Vec<_>>().join("'")
        };
    }
    let begin = url.find('@').unwrap_or_default();
    match url.get(begin..).and_then(|rest| rest.find('?')).and_then(|at| url.split_at_checked(begin + at + 1)) {
        Some((before, query)) => format!("{before}{}", each(query, "&")),
        None => url.to_owned(),
    }
}

fn require_tls(config: &mut Config, tls: &Tls) -> Result<(), Error> {
    match (is_this_machine(config), tls, config.get_ssl_mode()) {
        // Where it is a choice it would fail with the certificate that a server has made for itself.
        (true, _, SslMode::Prefer) => config.ssl_mode(SslMode::Disable),
        (true, _, _) | (false, Tls::NotRequired, _) => config,
        (false, _, SslMode::Disable) => {
            return Err(invalid_arguments(
                "sslmode=disable",
                "it leaves the connection to another machine unprotected: say sslmode=require, or Tls::NotRequired",
            ));
        }
        (false, ..) => config.ssl_mode(SslMode::Require),
    };
    Ok(())
}

/// Whether every server that is named is reached without a network.
fn is_this_machine(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback())
        }
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_the_driver_does_not_know_is_read_where_it_is_a_parameter_and_nowhere_else() {
        let modes = "sslmode=verify-full";
        for (url, password) in [
            (format!("postgresql://u:{modes}@h/d?application_name=x&{modes}"), modes),
            (format!("postgresql://u:a?{modes}&b@h/d?sslmode=verify-ca"), "a?sslmode=verify-full&b"),
            (format!("host=h password={modes} sslmode=verify-ca"), modes),
            (format!("host=h password='a {modes} b' {modes}"), "a sslmode=verify-full b"),
        ] {
            let config = parse_url(&url).unwrap();
            assert_eq!(config.get_password(), Some(password.as_bytes()), "{url}");
            assert_eq!(config.get_ssl_mode(), SslMode::Require, "{url}");
        }
        let config = parse_url(&format!("postgresql://u@h/d?application_name={modes}")).unwrap();
        assert_eq!((config.get_application_name(), config.get_ssl_mode()), (Some(modes), SslMode::Prefer));
        assert_eq!(parse_url("postgresql://u@h/d?sslmode=verify-all").unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}
