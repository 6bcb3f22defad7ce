//! What the tests of the core share: reproducible entropy, a clock, a driver, and a world to act in.

#![allow(dead_code, reason = "every test crate takes a part of it")]

pub(crate) mod thief;

use sha2::{Digest, Sha256};
use std::sync::Arc;
use strongroom::audit::{Checkpoint, Event};
use strongroom::error::Result;
use strongroom::flow::{Found, RotatorStep};
use strongroom::ident::Slot;
use strongroom::keyring::SigningKey;
use strongroom::manifest::Manifest;
use strongroom::ops::{
    Assignment, Exports, IfExists, ImportOptions, ImportReport, ManyOptions, NewValue, PlainValues, Proposed, Rotation,
    Run, Setting, WithHistory, Written,
};
use strongroom::record::{Change, Columns, Counters, Index, Record, RecordKey, RecordKind};
use strongroom::store::MemoryStore;
use strongroom::{
    Actor, Answer, Entropy, Error, ErrorCode, Flow, Keyring, Reply, Request, SecretBytes, Step, Timestamp, Vault,
    VaultOptions,
};

/// SHA-256 in counter mode over a seed.
pub(crate) struct Seeded {
    seed: u64,
    counter: u64,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Seeded { seed, counter: 0 }
    }

    /// A number below a bound; the bias does not matter to a test.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.fill(&mut bytes).unwrap();
        (u64::from_be_bytes(bytes) % bound as u64) as usize
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        for chunk in buffer.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(self.counter.to_be_bytes());
            self.counter += 1;
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Gives out its bytes so many times and then fails.
pub(crate) struct Failing {
    pub(crate) inner: Seeded,
    pub(crate) fills: usize,
}

impl Entropy for Failing {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let Some(fills) = self.fills.checked_sub(1) else {
            return Err(Error::new(ErrorCode::EntropyFailed, "the test's source has run dry"));
        };
        self.fills = fills;
        self.inner.fill(buffer)
    }
}

/// A clock that goes on by a millisecond whenever it is read.
#[derive(Clone, Debug)]
pub(crate) struct Clock(pub(crate) i64);

impl Clock {
    pub(crate) fn new() -> Self {
        Clock(1_765_108_800_000)
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.0 += 1;
        Timestamp::from_millis(self.0)
    }
}

/// Runs a flow to its end on a store.
pub(crate) fn drive<T: Send + 'static>(flow: Flow<T>, store: &mut MemoryStore, clock: &mut Clock) -> Result<T> {
    drive_with(flow, clock, |_, request| store.answer(request))
}

/// Runs a flow to its end on any host.
pub(crate) fn drive_with<T: Send + 'static>(
    mut flow: Flow<T>,
    clock: &mut Clock,
    mut host: impl FnMut(u64, &Request) -> Answer,
) -> Result<T> {
    let mut reply = None;
    loop {
        match flow.step(clock.now(), reply).unwrap() {
            Step::Ask { number, request } => {
                let answer = rotator_answer(&mut flow, &request).unwrap_or_else(|| host(number, &request));
                reply = Some(Reply { number, answer });
            }
            Step::Done(result) => return result,
        }
    }
}

/// What a rotator says that always gives the same value and never fails; nothing to other requests.
pub(crate) fn rotator_answer<T: Send + 'static>(flow: &mut Flow<T>, request: &Request) -> Option<Answer> {
    match request {
        Request::Rotate { step: RotatorStep::Create, .. } => {
            flow.offer(secret("new"));
            Some(Answer::Values { found: vec![Found::Given] })
        }
        Request::Rotate { step: RotatorStep::Activate, .. } => {
            assert_eq!(flow.take_shown().unwrap().expose(), b"new");
            Some(Answer::Activated {})
        }
        _ => None,
    }
}

/// A keyring of one key, the same for the same seed.
pub(crate) fn keyring(seed: u64) -> Arc<Keyring> {
    Arc::new(Keyring::generate(&mut Seeded::new(seed), Timestamp::from_millis(0)).unwrap())
}

/// A signing key, the same for the same seed.
pub(crate) fn signing_key(seed: u64) -> Arc<SigningKey> {
    Arc::new(SigningKey::make(&mut Seeded::new(seed), "example.com/vault").unwrap())
}

pub(crate) fn vault(keyring: &Arc<Keyring>, options: VaultOptions) -> Vault {
    Vault::new(Arc::clone(keyring), options).unwrap()
}

pub(crate) fn actor(id: &str) -> Actor {
    Actor::new(id).unwrap()
}

pub(crate) fn slot(name: &str) -> Slot {
    match name.split_once(':') {
        Some((namespace, name)) => Slot::parse(Some(namespace), name).unwrap(),
        None => Slot::parse(None, name).unwrap(),
    }
}

pub(crate) fn secret(value: &str) -> SecretBytes {
    SecretBytes::copy_of(value.as_bytes())
}

/// A given value, and nothing else told of the secret.
pub(crate) fn plainly(value: &str) -> (NewValue, Setting) {
    (secret(value).into(), Setting::default())
}

/// Names and values for a write of many.
pub(crate) fn assignments(given: &[(&str, &str)]) -> (Vec<Assignment>, ManyOptions) {
    let assignment = |(name, value): &(&str, &str)| {
        let (value, setting) = plainly(value);
        Assignment { slot: slot(name), value: Some(value), setting }
    };
    (given.iter().map(assignment).collect(), ManyOptions::default())
}

/// The import of an archive that another vault made of a secret of that name, over what is there.
pub(crate) fn importing(vault: &Vault, actor: &Actor, name: &str, entropy: Box<dyn Entropy>) -> Flow<ImportReport> {
    offered_import(vault, actor, archive_of(name).expose(), entropy)
}

/// An archive that another vault made of a secret of that name.
pub(crate) fn archive_of(name: &str) -> SecretBytes {
    let mut world = World::seeded(5, VaultOptions::default());
    world.set(name, "foreign one").unwrap();
    world.rotate(name, "new").unwrap();
    let exports = Exports::Secrets(vec![slot(name)]);
    world.act(|v, a, e| v.export(a, (exports, WithHistory::Yes), e).unwrap()).unwrap().archive
}

/// An import over what is there.
pub(crate) const REPLACING: ImportOptions = ImportOptions { on_conflict: IfExists::Replace, run: Run::Real };

/// The import of an archive, over what is there.
pub(crate) fn offered_import(
    vault: &Vault,
    actor: &Actor,
    archive: &[u8],
    entropy: Box<dyn Entropy>,
) -> Flow<ImportReport> {
    let mut flow = vault.import(actor, REPLACING, entropy);
    flow.offer(SecretBytes::copy_of(archive));
    flow
}

/// A manifest that asks for these secrets, each of which can be made.
pub(crate) fn needs(names: &[&str]) -> (Manifest, Option<&'static str>, PlainValues) {
    let entry = |name: &&str| format!(r#"{{"name": "{name}", "generator": "hex"}}"#);
    let entries: Vec<String> = names.iter().map(entry).collect();
    (manifest(&entries.join(",")), None, PlainValues::Unread)
}

/// A manifest of these entries.
pub(crate) fn manifest(entries: &str) -> Manifest {
    let text = format!(r#"{{"version": 1, "entries": [{entries}]}}"#);
    Manifest::read(strongroom::wire::read(&text).unwrap()).unwrap()
}

/// A vault, a store and a clock; one line for one operation.
pub(crate) struct World {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) vault: Vault,
    pub(crate) store: MemoryStore,
    pub(crate) clock: Clock,
    pub(crate) actor: Actor,
    seed: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(VaultOptions::default())
    }

    pub(crate) fn with(options: VaultOptions) -> Self {
        Self::seeded(1, options)
    }

    /// Worlds of different seeds share no key, no vault id and no random byte.
    pub(crate) fn seeded(seed: u64, options: VaultOptions) -> Self {
        let keyring = keyring(seed << 32);
        let vault = vault(&keyring, options);
        let (store, clock) = (MemoryStore::new(), Clock::new());
        World { keyring, vault, store, clock, actor: actor("alice"), seed: seed << 32 }
    }

    /// Entropy that no other operation of this world had.
    pub(crate) fn entropy(&mut self) -> Box<dyn Entropy> {
        self.seed += 1;
        Box::new(Seeded::new(self.seed))
    }

    /// Another vault over the same store: what a restarted process, or another one, has.
    pub(crate) fn reopen(&mut self, options: VaultOptions) {
        self.vault = vault(&self.keyring, options);
    }

    pub(crate) fn run<T: Send + 'static>(&mut self, flow: Flow<T>) -> Result<T> {
        drive(flow, &mut self.store, &mut self.clock)
    }

    /// Runs an operation made by a function.
    pub(crate) fn act<T: Send + 'static>(
        &mut self,
        make: impl FnOnce(&Vault, &Actor, Box<dyn Entropy>) -> Flow<T>,
    ) -> Result<T> {
        let entropy = self.entropy();
        let flow = make(&self.vault, &self.actor, entropy);
        self.run(flow)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<Written> {
        self.act(|vault, actor, entropy| vault.set(actor, &slot(name), plainly(value), entropy))
    }

    pub(crate) fn get(&mut self, name: &str) -> Result<String> {
        self.get_slot(&slot(name))
    }

    pub(crate) fn get_slot(&mut self, slot: &Slot) -> Result<String> {
        let revealed = self.act(|vault, actor, entropy| vault.get(actor, slot, entropy))?;
        Ok(String::from_utf8(revealed.value.expose().to_vec()).unwrap())
    }

    pub(crate) fn rotate(&mut self, name: &str, value: &str) -> Result<Written> {
        self.act(|vault, actor, entropy| vault.rotate(actor, &slot(name), Rotation::to(secret(value)), entropy))
    }

    pub(crate) fn delete(&mut self, name: &str) -> Result<Written> {
        self.act(|vault, actor, entropy| vault.delete(actor, &slot(name), entropy))
    }

    pub(crate) fn propose(&mut self, name: &str, change: Change, value: Option<&str>) -> Result<Proposed> {
        let value = value.map(secret);
        self.act(|vault, actor, entropy| vault.propose(actor, &slot(name), (change, value), entropy))
    }

    pub(crate) fn verify(&mut self) -> Result<strongroom::ops::AuditReport> {
        self.act(|vault, actor, entropy| vault.verify_audit(actor, entropy))
    }

    /// A checkpoint by [`signing_key`] 1.
    pub(crate) fn checkpoint(&mut self) -> Result<String> {
        let key = signing_key(1);
        self.act(|vault, actor, entropy| vault.checkpoint(actor, &key, entropy)).map(|told| told.checkpoint)
    }

    /// Verifies the history against one of those.
    pub(crate) fn verify_against(&mut self, checkpoint: &str) -> Result<strongroom::ops::AuditReport> {
        let checkpoint = Checkpoint::parse(checkpoint, &[signing_key(1).verifier()])?;
        self.act(|vault, actor, entropy| vault.verify_audit_against(actor, checkpoint, entropy))
    }

    pub(crate) fn record(&self, kind: RecordKind, name: &str) -> Option<&Record> {
        let slot = slot(name);
        self.store.records().find(|record| {
            record.key.kind == kind && record.key.namespace == slot.namespace() && record.key.name == slot.name()
        })
    }

    pub(crate) fn secret_record(&self, name: &str) -> &Record {
        self.record(RecordKind::Secret, name).unwrap()
    }

    pub(crate) fn last_event(&self) -> &Event {
        self.store.all_events().last().unwrap()
    }

    pub(crate) fn vault_id(&self) -> [u8; 16] {
        let head = self.store.records().find(|record| record.key.kind == RecordKind::Head).unwrap();
        let body: serde_json::Value = serde_json::from_str(&head.data).unwrap();
        unhex(body["vault_id"].as_str().unwrap())
    }
}

pub(crate) fn unhex<const N: usize>(text: &str) -> [u8; N] {
    let byte = |index: usize| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap();
    std::array::from_fn(byte)
}

/// A store that holds exactly this: how the tests reach around the vault.
pub(crate) fn store_of(
    records: impl IntoIterator<Item = Record>,
    events: impl IntoIterator<Item = Event>,
) -> MemoryStore {
    MemoryStore::holding(records.into_iter().map(|record| (record, Index::default())), events)
}

/// The same store with other records in it.
pub(crate) fn with_records(store: &MemoryStore, change: impl FnOnce(&mut Vec<Record>)) -> MemoryStore {
    let mut records: Vec<Record> = store.records().cloned().collect();
    change(&mut records);
    store_of(records, store.all_events().iter().cloned())
}

/// The same store with other events in it.
pub(crate) fn with_events(store: &MemoryStore, change: impl FnOnce(&mut Vec<Event>)) -> MemoryStore {
    let mut events = store.all_events().to_vec();
    change(&mut events);
    store_of(store.records().cloned(), events)
}

/// A row as an old program wrote it: no revision, no MAC, a value of Node's aes-256-gcm.
pub(crate) fn old_row(keyring: &Keyring, name: &str, value: &str) -> Record {
    let mut entropy = Seeded::new(name.len() as u64 * 1000 + value.len() as u64);
    let encrypted = keyring
        .encrypt((&mut entropy, Timestamp::from_millis(0)), value.as_bytes(), strongroom::crypto::Format::NodeGcm, None)
        .unwrap();
    Record {
        key: RecordKey { kind: RecordKind::Secret, namespace: "default".into(), name: name.into() },
        revision: 0,
        columns: Columns {
            value_encrypted: Some(encrypted),
            encryption_key_id: Some("default".into()),
            created_by: Some("old-bot".into()),
            created_at: Some(Timestamp::from_millis(1_700_000_000_000)),
            ..Columns::default()
        },
        data: "{}".into(),
        mac: None,
        counters: Counters { accessed_count: 7, last_accessed: None },
    }
}

/// An audit row as an old program wrote it.
pub(crate) fn old_event(action: &str, name: &str) -> Event {
    Event {
        at: Some(Timestamp::from_millis(1_700_000_000_001)),
        action: Some(action.into()),
        name: Some(name.into()),
        namespace: Some("default".into()),
        actor: Some("old-user".into()),
        success: Some(true),
        ..Event::default()
    }
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
    result.unwrap_err().code()
}
