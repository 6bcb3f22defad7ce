//! The Rust store over a PostgreSQL server of the test's own: the contract, a vault, lost connections, a conflict.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test's own server needs is there, or the test has failed"
)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use strongroom::conformance::check_store;
use strongroom::flow::{Applied, ChangeSet, CommitAnswer};
use strongroom::ident::Slot;
use strongroom::ops::Setting;
use strongroom::store::{CommitFailed, Store, drive};
use strongroom::{Actor, ErrorCode, Keyring, SecretBytes, Vault, VaultOptions};
use strongroom_bindings::stores::{PostgresError, PostgresOptions, PostgresStore, Tls};
use strongroom_bindings::{OsEntropy, SystemClock};

/// A server, unprivileged, in a folder that is gone with it.
struct Cluster {
    folder: PathBuf,
    port: u16,
    user: Option<(u32, u32)>,
    server: Option<Child>,
}

impl Cluster {
    fn make() -> Cluster {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("strongroom-pg-{}-{port}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        // Root must not run a server.
        let user = (id("-u", None) == 0).then(|| (id("-u", Some("postgres")), id("-g", Some("postgres"))));
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let mut cluster = Cluster { folder, port, user, server: None };
        let made = cluster.run("initdb").args("-U postgres -A trust -E UTF8 --locale=C --no-sync".split(' ')).status();
        assert!(made.unwrap().success());
        cluster.start();
        cluster
    }

    fn run(&self, program: &str) -> Command {
        let mut versions: Vec<PathBuf> =
            fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path()).collect();
        versions.sort();
        let mut command = Command::new(versions.last().unwrap().join("bin").join(program));
        command.arg("-D").arg(self.folder.join("data")).current_dir(&self.folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn start(&mut self) {
        let sockets = format!("unix_socket_directories={}", self.folder.display());
        let mut command = self.run("postgres");
        command.args(["-c", "fsync=off", "-c", &sockets, "-p", &self.port.to_string()]);
        self.server = Some(command.spawn().unwrap());
        for _ in 0..200 {
            if postgres::Client::connect(&self.url(), postgres::NoTls).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not start");
    }

    /// As `immediate` does: without a word to anybody.
    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }

    fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn store(&self, schema: &str) -> PostgresStore {
        let options = PostgresOptions { schema: schema.to_owned(), ..PostgresOptions::default() };
        PostgresStore::open(&self.url(), options).unwrap()
    }

    fn client(&self) -> postgres::Client {
        postgres::Client::connect(&self.url(), postgres::NoTls).unwrap()
    }

    fn cut_all(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'strongroom'";
        self.client().batch_execute(sql).unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn id(flag: &str, user: Option<&str>) -> u32 {
    let told = Command::new("id").arg(flag).args(user).output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().parse().unwrap()
}

struct Person {
    vault: Vault,
    alice: Actor,
    slot: Slot,
}

impl Person {
    fn new() -> Person {
        let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=").unwrap();
        let vault = Vault::new(Arc::new(keyring), VaultOptions::default()).unwrap();
        Person { vault, alice: Actor::new("alice").unwrap(), slot: Slot::parse(None, "A").unwrap() }
    }

    fn set(&self, store: &mut PostgresStore, value: &[u8]) -> Option<u64> {
        let value = (SecretBytes::copy_of(value).into(), Setting::default());
        let flow = self.vault.set(&self.alice, &self.slot, value, Box::new(OsEntropy));
        drive(flow, store, SystemClock).unwrap().version
    }

    fn get(&self, store: &mut PostgresStore) -> Vec<u8> {
        let flow = self.vault.get(&self.alice, &self.slot, Box::new(OsEntropy));
        drive(flow, store, SystemClock).unwrap().value.expose().to_vec()
    }
}

fn refused(url: &str, options: PostgresOptions) -> ErrorCode {
    match PostgresStore::open(url, options) {
        Err(PostgresError::Vault(error)) => error.code(),
        Err(error) => panic!("it was not refused, but went on: {error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// With nothing applied, and nothing to ask again for; and what the server says.
fn refused_commit(store: &mut PostgresStore, change_set: &ChangeSet) -> (ErrorCode, String) {
    match store.commit(change_set) {
        Err(CommitFailed { applied: Applied::No, cause: PostgresError::Server(error, source) }) => {
            (error.code(), source.code().unwrap().code().to_owned())
        }
        other => panic!("it was not refused: {other:?}"),
    }
}

#[test]
fn a_store_over_a_server_keeps_the_contract_and_survives_what_the_server_does() {
    let mut cluster = Cluster::make();

    let report = drive(check_store(Box::new(OsEntropy)), &mut cluster.store("kit"), SystemClock).unwrap();
    assert_eq!(report.failures, []);

    let person = Person::new();
    let (mut first, mut second) = (cluster.store("it's \"a\" vault"), cluster.store("it's \"a\" vault"));
    assert_eq!(person.set(&mut first, b"one"), Some(1));
    assert_eq!(person.set(&mut second, b"two"), Some(2));
    assert_eq!(person.get(&mut first), b"two");

    // Lost connections, one at a time and with the whole server.
    cluster.cut_all();
    assert_eq!(person.set(&mut first, b"three"), Some(3));
    cluster.stop();
    assert!(matches!(first.load(&[]), Err(PostgresError::Driver(_))));
    cluster.start();
    assert_eq!(person.get(&mut first), b"three");
    assert_eq!(person.get(&mut second), b"three");

    // A lock that another holds for too long.
    let patient = format!("{}?options=-c%20lock_timeout%3D50", cluster.url());
    let options = PostgresOptions { schema: "kit".to_owned(), ..PostgresOptions::default() };
    let mut store = PostgresStore::open(&patient, options).unwrap();
    let mut holder = cluster.client();
    let mut transaction = holder.transaction().unwrap();
    transaction
        .batch_execute("SELECT pg_advisory_xact_lock('kit.secrets_audit'::regclass::oid::integer, hashtext('o'))")
        .unwrap();
    let change_set = ChangeSet {
        operation_id: "o".to_owned(),
        puts: vec![],
        deletes: vec![],
        checks: vec![],
        counters: vec![],
        events: vec![],
    };
    assert_eq!(refused_commit(&mut store, &change_set), (ErrorCode::StorageFailed, "55P03".to_owned()));
    transaction.rollback().unwrap();
    assert_eq!(store.commit(&change_set).unwrap(), CommitAnswer::Committed);

    // What PostgreSQL cannot keep.
    assert_eq!(
        refused_commit(&mut store, &ChangeSet { operation_id: "\0".to_owned(), ..change_set }),
        (ErrorCode::InvalidArgument, "22P05".to_owned())
    );

    // Tables of another program.
    cluster.client().batch_execute("CREATE SCHEMA other; CREATE TABLE other.secrets (id integer)").unwrap();
    let options = PostgresOptions { schema: "other".to_owned(), ..PostgresOptions::default() };
    assert_eq!(refused(&cluster.url(), options), ErrorCode::Unsupported);
}

#[test]
fn a_connection_to_another_machine_is_encrypted_or_refused_before_it_is_made() {
    for url in [
        "postgresql://app@db.example.com/app?sslmode=disable",
        "postgresql://app@localhost,db.example.com/app?sslmode=disable",
        "host=localhost hostaddr=10.0.0.1 sslmode=disable",
        "postgresql://app@127.0.0.1.example.com/app?sslmode=disable",
        "sk_test_abc123",
    ] {
        assert_eq!(refused(url, PostgresOptions::default()), ErrorCode::InvalidArgument, "{url}");
    }
    let no_schema = PostgresOptions { schema: String::new(), tls: Tls::NotRequired };
    assert_eq!(refused("postgresql://localhost", no_schema), ErrorCode::InvalidArgument);
}
