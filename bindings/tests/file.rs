//! A vault in a file, from Rust; and a document that was written once and for all.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test crate: helpers outside #[test] may fail loudly too")]

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use strongroom::conformance::check_store;
use strongroom::ident::Slot;
use strongroom::ops::Setting;
use strongroom::store::{Failed, drive};
use strongroom::{Actor, ErrorCode, Keyring, SecretBytes, Vault, VaultOptions};
use strongroom_bindings::{Existing, FileOptions, FileStore, OsEntropy, SystemClock};

/// A folder that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("strongroom-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }

    fn store(&self, name: &str) -> FileStore {
        FileStore::new(&self.0.join(name), FileOptions::default()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn vault(key: &str) -> Vault {
    Vault::new(Arc::new(Keyring::parse(key).unwrap()), VaultOptions::default()).unwrap()
}

const KEY: &str = "x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=";

fn set(store: &mut FileStore, value: &str) -> Result<u64, Failed<strongroom::Error>> {
    let (alice, slot) = (Actor::new("alice").unwrap(), Slot::parse(None, "A").unwrap());
    let value = (SecretBytes::copy_of(value.as_bytes()).into(), Setting::default());
    let written = drive(vault(KEY).set(&alice, &slot, value, Box::new(OsEntropy)), store, SystemClock)?;
    Ok(written.version.unwrap())
}

fn get(key: &str, store: &mut FileStore, name: &str) -> Result<String, Failed<strongroom::Error>> {
    let (alice, slot) = (Actor::new("alice").unwrap(), Slot::parse(None, name).unwrap());
    let read = drive(vault(key).get(&alice, &slot, Box::new(OsEntropy)), store, SystemClock)?;
    Ok(String::from_utf8(read.value.expose().to_vec()).unwrap())
}

#[test]
fn the_kit_passes_a_file() {
    let scratch = Scratch::new("kit");
    let report = drive(check_store(Box::new(OsEntropy)), &mut scratch.store("vault"), SystemClock).unwrap();
    assert!(report.failures.is_empty(), "{report:?}");
}

#[test]
fn stores_over_one_file_in_many_threads_lose_nothing() {
    let scratch = Scratch::new("threads");
    set(&mut scratch.store("vault"), "first").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = scratch.store("vault");
                for turn in 0..10 {
                    set(&mut store, &format!("sk_test_{turn}")).unwrap();
                }
            });
        }
    });
    assert_eq!(set(&mut scratch.store("vault"), "last").unwrap(), 42);
    assert_eq!(get(KEY, &mut scratch.store("vault"), "A").unwrap(), "last");
}

#[test]
fn a_file_that_others_can_read_is_refused_with_what_to_do() {
    let scratch = Scratch::new("mode");
    let mut store = scratch.store("vault");
    set(&mut store, "first").unwrap();
    fs::set_permissions(scratch.0.join("vault"), fs::Permissions::from_mode(0o644)).unwrap();
    let Failed { error, cause } = set(&mut store, "second").unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageFailed);
    assert!(cause.unwrap().message().contains("`chmod 600` it"));
}

#[test]
fn a_backup_is_the_same_and_restores() {
    let scratch = Scratch::new("backup");
    let mut store = scratch.store("vault");
    set(&mut store, "first").unwrap();
    let to = scratch.0.join("backup");
    store.backup(&to, Existing::Refuse).unwrap();
    assert_eq!(fs::read(&to).unwrap(), fs::read(scratch.0.join("vault")).unwrap());
    assert_eq!(store.backup(&to, Existing::Refuse).unwrap_err().code(), ErrorCode::InvalidArgument);
    set(&mut store, "second").unwrap();
    fs::copy(&to, scratch.0.join("vault")).unwrap();
    assert_eq!(get(KEY, &mut store, "A").unwrap(), "first");
    store.backup(&to, Existing::Replace).unwrap();
}

#[test]
fn a_document_of_version_1_stays_readable() {
    let own = include_str!("../../core/tests/document_v1.json");
    let own: serde_json::Value = serde_json::from_str(own).unwrap();
    let scratch = Scratch::new("pinned");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(scratch.0.join("vault")).unwrap();
    std::io::Write::write_all(&mut file, own["document"].as_str().unwrap().as_bytes()).unwrap();
    let value = get(own["key"].as_str().unwrap(), &mut scratch.store("vault"), "STRIPE_API_KEY").unwrap();
    assert_eq!(value, "sk_test_abc123");
}
