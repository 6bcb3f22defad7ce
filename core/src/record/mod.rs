//! What a store keeps: rows with a key, a revision, columns, a body and a MAC.
//!
//! Nothing in a store is believed. A [`Record`] is what a host hands over; the parsed types beside it ([`SecretRecord`],
//! [`Head`], [`StreamHead`], [`Proposal`]) exist only after the MAC was verified, and writing goes back the same way.

mod head;
mod index;
mod leak;
pub(crate) mod pending;
mod policy;
mod ring;
mod secret;
mod stream;

pub(crate) use head::Head;
pub use index::Index;
pub(crate) use leak::is_left_behind;
pub use pending::Change;
pub(crate) use pending::{Proposal, ProposalState};
pub(crate) use policy::PolicyRecord;
pub(crate) use ring::Ring;
pub(crate) use secret::{Grace, Rotating, SecretRecord, Version};
pub use secret::{Reason, SecretState};
pub(crate) use stream::StreamHead;

use crate::crypto::MacKey;
use crate::encoding::{Encoder, from_hex, hex};
use crate::error::{Error, ErrorCode, Result};
use crate::ident::Slot;
use crate::time::Timestamp;
use crate::wire::{self, Fault, Fields, FromJson, Json, deserialize_as_read, read_fields, read_names};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A secret.
    Secret,
    /// A proposed change that waits for its confirmation.
    Pending,
    /// The head of an audit stream.
    Stream,
    /// The vault's head: its id and its sealed root.
    Head,
    /// The keys of the vault and their states, as all hosts must see them.
    Ring,
    /// Who may do what.
    Policy,
}

impl RecordKind {
    /// The name on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            RecordKind::Secret => "secret",
            RecordKind::Pending => "pending",
            RecordKind::Stream => "stream",
            RecordKind::Head => "head",
            RecordKind::Ring => "ring",
            RecordKind::Policy => "policy",
        }
    }
}

/// The key of a record, unique in every store. Compared byte by byte, case and all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RecordKey {
    /// What the record is.
    pub kind: RecordKind,
    /// The namespace of its slot; empty for records of the vault itself.
    pub namespace: String,
    /// The name of its slot, or of the record.
    pub name: String,
}

impl RecordKey {
    /// The key of the vault's head.
    pub(crate) fn head() -> Self {
        Self::of_vault(RecordKind::Head, "vault")
    }

    /// The key of the ring.
    pub(crate) fn ring() -> Self {
        Self::of_vault(RecordKind::Ring, "vault")
    }

    /// The key of the policy.
    pub(crate) fn policy() -> Self {
        Self::of_vault(RecordKind::Policy, "vault")
    }

    /// The key of the head of the vault's own stream.
    pub(crate) fn vault_stream() -> Self {
        Self::of_vault(RecordKind::Stream, "vault")
    }

    /// The key of a proposal.
    pub(crate) fn pending(id: &str) -> Self {
        Self::of_vault(RecordKind::Pending, id)
    }

    /// The key of a secret.
    pub(crate) fn secret(slot: &Slot) -> Self {
        Self::in_slot(RecordKind::Secret, slot)
    }

    /// The key of the head of the stream of whichever secret has the slot, or had it last.
    pub(crate) fn stream(slot: &Slot) -> Self {
        Self::in_slot(RecordKind::Stream, slot)
    }

    fn of_vault(kind: RecordKind, name: &str) -> Self {
        RecordKey { kind, namespace: String::new(), name: name.to_string() }
    }

    fn in_slot(kind: RecordKind, slot: &Slot) -> Self {
        RecordKey { kind, namespace: slot.namespace().to_string(), name: slot.name().to_string() }
    }
}

/// The columns of a record: what SQL tables show of it. All are optional; secrets use most of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Columns {
    /// Random identity of the secret, 32 hex digits; absent in rows that were never adopted.
    pub uid: Option<String>,
    /// `active` or `disabled`.
    pub state: Option<String>,
    /// The current version's number, from 1.
    pub version: Option<u64>,
    /// The current value, encrypted.
    pub value_encrypted: Option<String>,
    /// The id of its key, 64 hex digits, or what an old program wrote there.
    pub encryption_key_id: Option<String>,
    /// Keyed fingerprint of the current value, 64 hex digits.
    pub value_fingerprint: Option<String>,
    /// When the value last changed.
    pub last_rotated: Option<Timestamp>,
    /// The actor who created the secret.
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When anything of it last changed, counters excepted.
    pub updated_at: Option<Timestamp>,
}

/// Counters kept beside a record: not covered by its MAC, changed without changing its revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// How many times the value was read.
    pub accessed_count: u64,
    /// When it was last read.
    pub last_accessed: Option<Timestamp>,
}

/// A record as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its key.
    pub key: RecordKey,
    /// Its revision: 0 in a row that was never adopted, from 1 otherwise, and one more with every put.
    pub revision: u64,
    /// Its columns.
    pub columns: Columns,
    /// Its body: JSON text, kept to the letter.
    pub data: String,
    /// HMAC-SHA256 over everything above, 64 hex digits; absent in rows that were never adopted.
    pub mac: Option<String>,
    /// Its counters.
    pub counters: Counters,
}

read_names!(RecordKind {
    "secret" => Secret,
    "pending" => Pending,
    "stream" => Stream,
    "head" => Head,
    "ring" => Ring,
    "policy" => Policy,
});
read_fields!(RecordKey { kind, namespace, name });

impl FromJson for Columns {
    fn from_json(value: Json) -> core::result::Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let read = Columns {
            uid: fields.take("uid")?,
            state: fields.take("state")?,
            version: fields.take("version")?,
            value_encrypted: fields.take("value_encrypted")?,
            encryption_key_id: fields.take("encryption_key_id")?,
            value_fingerprint: fields.take("value_fingerprint")?,
            last_rotated: fields.take("last_rotated")?,
            created_by: fields.take("created_by")?,
            created_at: fields.take("created_at")?,
            updated_at: fields.take("updated_at")?,
        };
        fields.end()?;
        Ok(read)
    }

    fn absent() -> Option<Self> {
        Some(Columns::default())
    }
}

impl FromJson for Counters {
    fn from_json(value: Json) -> core::result::Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let accessed_count: Option<u64> = fields.take("accessed_count")?;
        let last_accessed = fields.take("last_accessed")?;
        fields.end()?;
        Ok(Counters { accessed_count: accessed_count.unwrap_or_default(), last_accessed })
    }

    fn absent() -> Option<Self> {
        Some(Counters::default())
    }
}

deserialize_as_read!(Record, RecordKey);
read_fields!(Record { key, revision, columns, data, mac, counters });

impl Record {
    /// The bytes that the MAC covers: `docs/format.md`, "Records".
    fn authenticated(&self) -> Vec<u8> {
        let Columns {
            uid,
            state,
            version,
            value_encrypted,
            encryption_key_id,
            value_fingerprint,
            last_rotated,
            created_by,
            created_at,
            updated_at,
        } = &self.columns;
        let instant = |at: &Option<Timestamp>| at.map(|at| at.as_millis().cast_unsigned());
        let mut encoder = Encoder::new("strongroom/v1/record");
        encoder
            .text(self.key.kind.name())
            .text(&self.key.namespace)
            .text(&self.key.name)
            .integer(self.revision)
            .optional_text(uid.as_deref())
            .optional_text(state.as_deref())
            .optional_integer(*version)
            .optional_text(value_encrypted.as_deref())
            .optional_text(encryption_key_id.as_deref())
            .optional_text(value_fingerprint.as_deref())
            .optional_integer(instant(last_rotated))
            .optional_text(created_by.as_deref())
            .optional_integer(instant(created_at))
            .optional_integer(instant(updated_at))
            .text(&self.data);
        encoder.finish()
    }

    /// Computes the MAC and puts it in.
    pub(crate) fn authenticate(mut self, key: &MacKey) -> Record {
        self.mac = Some(hex(&key.mac(&self.authenticated())));
        self
    }

    /// The MAC as bytes, if it has one.
    pub(crate) fn mac_bytes(&self) -> Option<[u8; 32]> {
        self.mac.as_deref().and_then(read_mac)
    }

    /// Checks the MAC; tells whose it is. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(&self, keys: RecordKeys<'_>) -> Result<Root> {
        let former = keys.former.filter(|_| self.is_moved_after());
        match self.mac_bytes() {
            Some(mac) if keys.current.verify(&self.authenticated(), &mac) => Ok(Root::Current),
            Some(mac) if former.is_some_and(|key| key.verify(&self.authenticated(), &mac)) => Ok(Root::Former),
            None if self.revision == 0 && self.mac.is_none() => {
                Err(self
                    .tampered("another program wrote it, or somebody stripped it; find out which before adopting it"))
            }
            None if self.mac.is_none() => Err(self.tampered("its MAC is missing")),
            _ => Err(self.tampered("its MAC does not match")),
        }
    }

    /// Whether it is moved to a new root one day and not at once: what says who may do what, and what holds it, is never
    /// believed under another root than the one in force.
    fn is_moved_after(&self) -> bool {
        match self.key.kind {
            RecordKind::Secret | RecordKind::Pending => true,
            RecordKind::Stream => self.key != RecordKey::vault_stream(),
            RecordKind::Head | RecordKind::Ring | RecordKind::Policy => false,
        }
    }

    /// Reads the body. Only the head's is read before its MAC is verified: it holds the sealed root of the MAC key.
    fn body<T: FromJson>(&self) -> Result<T> {
        wire::read(&self.data).map_err(|_| self.tampered("its body cannot be read"))
    }

    pub(crate) fn tampered(&self, why: &str) -> Error {
        let (kind, key) = (self.key.kind.name(), &self.key);
        let named = Slot::parse(Some(&key.namespace), &key.name).map(|slot| format!(" {slot}")).unwrap_or_default();
        Error::new(
            ErrorCode::RecordTampered,
            format!("the stored {kind} record{named} is not as the vault wrote it: {why}"),
        )
    }
}

/// The keys that records may be authenticated by. Whoever writes takes the current one; there is a former one only while a
/// renewal of the root is under way.
#[derive(Clone, Copy)]
pub(crate) struct RecordKeys<'a> {
    pub(crate) current: &'a MacKey,
    pub(crate) former: Option<&'a MacKey>,
}

/// The root that a record is authenticated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// The one in force.
    Current,
    /// The one before it: the record is yet to be moved.
    Former,
}

/// A MAC from its text: one text for one MAC, so that no other letter case passes for it.
pub(crate) fn read_mac(text: &str) -> Option<[u8; 32]> {
    from_hex(text).filter(|mac| hex(mac) == text)
}

/// A list as a body has it that leaves empty ones out.
fn unless_empty<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// A body as JSON text.
fn write_body<T: Serialize>(body: &T) -> Result<String> {
    serde_json::to_string(body)
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, "the record can't be written as JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{RootKeys, VaultRoot};
    use crate::entropy::testing::Seeded;
    use alloc::vec;
    use serde_json::{Value, json};

    fn only(keys: &RootKeys) -> RecordKeys<'_> {
        RecordKeys { current: &keys.record, former: None }
    }

    fn record() -> Record {
        Record {
            key: RecordKey { kind: RecordKind::Secret, namespace: "nexus".into(), name: "token".into() },
            revision: 3,
            columns: Columns {
                uid: Some("00".repeat(16)),
                state: Some("active".into()),
                version: Some(2),
                value_encrypted: Some("sr1.AAAA".into()),
                encryption_key_id: Some("ab".repeat(32)),
                value_fingerprint: Some("cd".repeat(32)),
                last_rotated: Some(Timestamp::from_millis(5)),
                created_by: Some("alice".into()),
                created_at: Some(Timestamp::from_millis(6)),
                updated_at: Some(Timestamp::from_millis(7)),
            },
            data: "{}".into(),
            mac: None,
            counters: Counters { accessed_count: 9, last_accessed: None },
        }
    }

    /// Every record that differs from this one in one place, made through its JSON so that no field is forgotten.
    fn altered(record: &Record) -> Vec<(String, Record)> {
        fn alter(value: &Value) -> Vec<(String, Value)> {
            match value {
                Value::Object(fields) => fields
                    .iter()
                    .flat_map(|(name, inner)| {
                        alter(inner).into_iter().map(move |(path, new)| {
                            let mut fields = fields.clone();
                            fields.insert(name.clone(), new);
                            (format!("{name}.{path}"), Value::Object(fields))
                        })
                    })
                    .collect(),
                Value::String(text) if text == "secret" => vec![("pending".into(), json!("pending"))],
                Value::String(text) => vec![("longer".into(), json!(format!("{text}0"))), ("empty".into(), json!(""))],
                Value::Number(number) => vec![("more".into(), json!(number.as_u64().unwrap() + 1))],
                _ => vec![],
            }
        }
        let value = serde_json::to_value(record).unwrap();
        let mut all: Vec<_> = alter(&value)
            .into_iter()
            .map(|(path, value)| (path, serde_json::from_value::<Record>(value).unwrap()))
            .collect();
        for (name, _) in value["columns"].as_object().unwrap() {
            let mut without = value.clone();
            without["columns"][name] = Value::Null;
            all.push((format!("columns.{name}.absent"), serde_json::from_value(without).unwrap()));
        }
        all
    }

    #[test]
    fn every_altered_field_is_found_and_counters_are_free() {
        let keys = VaultRoot::make(&mut Seeded::new(1)).unwrap().derive_keys();
        let record = record().authenticate(&keys.record);
        assert_eq!(record.verify(only(&keys)), Ok(Root::Current));
        let all = altered(&record);
        assert!(all.len() > 30, "{}", all.len());
        for (path, altered) in all {
            let found = altered.verify(only(&keys));
            if path.starts_with("counters") {
                assert_eq!(found, Ok(Root::Current), "{path}");
            } else {
                assert_eq!(found.unwrap_err().code(), ErrorCode::RecordTampered, "{path}");
            }
        }
    }

    #[test]
    fn another_vault_s_record_is_refused() {
        let [one, two] = [1, 2].map(|seed| VaultRoot::make(&mut Seeded::new(seed)).unwrap().derive_keys());
        assert!(record().authenticate(&one.record).verify(only(&two)).is_err());
        assert!(record().verify(only(&one)).unwrap_err().message().contains("missing"));
        assert!(Record { revision: 0, ..record() }.verify(only(&one)).unwrap_err().message().contains("adopt"));
    }
    #[test]
    fn a_former_root_authenticates_what_is_moved_after_it_and_nothing_that_it_could_rule_by() {
        let [new, old] = [1, 2].map(|seed| VaultRoot::make(&mut Seeded::new(seed)).unwrap().derive_keys());
        let during = RecordKeys { current: &new.record, former: Some(&old.record) };
        let of = |key: RecordKey| Record { key, ..record() };
        let moved_after = [of(record().key), of(RecordKey::pending("id")), of(RecordKey::stream(&slot()))];
        for record in moved_after {
            assert_eq!(record.clone().authenticate(&new.record).verify(during), Ok(Root::Current));
            assert_eq!(record.clone().authenticate(&old.record).verify(during), Ok(Root::Former));
            assert!(record.authenticate(&old.record).verify(only(&new)).is_err());
        }
        for key in [RecordKey::head(), RecordKey::ring(), RecordKey::policy(), RecordKey::vault_stream()] {
            assert_eq!(of(key.clone()).authenticate(&new.record).verify(during), Ok(Root::Current));
            assert!(of(key).authenticate(&old.record).verify(during).is_err());
        }
    }

    fn slot() -> Slot {
        Slot::parse(Some("nexus"), "token").unwrap()
    }
}
