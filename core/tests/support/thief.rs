//! Somebody who has a vault's keyring, and with it the root: what they can make up.

use super::{World, store_of};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use strongroom::Timestamp;
use strongroom::audit::Event;
use strongroom::crypto::sealed::Sealed;
use strongroom::crypto::{Context, KeyMaterial, Purpose};
use strongroom::record::{Record, RecordKind};
use strongroom::store::MemoryStore;

/// The key of a keyring that the tests know.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// What somebody has who got hold of the root in force.
pub(crate) struct Thief {
    pub(crate) record: [u8; 32],
    pub(crate) audit: [u8; 32],
}

impl Thief {
    /// Of a world under [`KEY`].
    pub(crate) fn of(world: &World) -> Self {
        let head = world.store.records().find(|record| record.key.kind == RecordKind::Head).unwrap();
        let (head, vault_id): (Value, _) = (serde_json::from_str(&head.data).unwrap(), world.vault_id());
        let root = head["roots"].as_array().unwrap().last().unwrap();
        let context =
            Context { vault_id: Some(&vault_id), version: root["epoch"].as_u64(), ..Context::of(Purpose::VaultRoot) };
        let key = KeyMaterial::derive(Box::new(zeroize::Zeroizing::new(KEY)));
        let root = Sealed::parse(root["sealed"].as_str().unwrap()).unwrap().open(&key, &context).unwrap();
        let derive = |info: &str| {
            let mut key = [0; 32];
            hkdf::Hkdf::<Sha256>::new(None, root.expose()).expand(info.as_bytes(), &mut key).unwrap();
            key
        };
        Thief { record: derive("strongroom/v1/record"), audit: derive("strongroom/v1/audit") }
    }

    /// The canonical encoding of `docs/format.md`, written another time.
    pub(crate) fn forge(&self, mut record: Record) -> Record {
        let (key, columns) = (&record.key, &record.columns);
        let text = |text: &Option<String>| text.clone().map(String::into_bytes);
        let number = |number: Option<u64>| number.map(|number| number.to_be_bytes().to_vec());
        let at = |at: &Option<Timestamp>| number(at.map(|at| at.as_millis().cast_unsigned()));
        let fields = [
            Some(b"strongroom/v1/record".to_vec()),
            Some(key.kind.name().into()),
            Some(key.namespace.clone().into()),
            Some(key.name.clone().into()),
            number(Some(record.revision)),
            text(&columns.uid),
            text(&columns.state),
            number(columns.version),
            text(&columns.value_encrypted),
            text(&columns.encryption_key_id),
            text(&columns.value_fingerprint),
            at(&columns.last_rotated),
            text(&columns.created_by),
            at(&columns.created_at),
            at(&columns.updated_at),
            Some(record.data.clone().into()),
        ];
        record.mac = Some(mac(&self.record, &fields));
        record
    }

    /// A store whose streams are linked anew after its events were changed, dropped or put in, each in its stream's order,
    /// and whose heads go with it: what a keyring is enough for. A deletion tells the end that its stream has now.
    pub(crate) fn relinked(&self, store: &MemoryStore, change: impl FnOnce(&mut Vec<Event>)) -> MemoryStore {
        let mut events = store.all_events().to_vec();
        change(&mut events);
        // The vault's own stream is linked last: it tells of the others.
        let mut order: Vec<usize> = (0..events.len()).filter(|index| events[*index].stream.is_some()).collect();
        order.sort_by_key(|index| events[*index].stream.as_deref() == Some("vault"));
        let mut ends: BTreeMap<String, (u64, Option<String>)> = BTreeMap::new();
        for index in order {
            let mut event = events[index].clone();
            if event.action.as_deref() == Some("delete") && event.outcome.as_deref() == Some("success") {
                let own = event.secret_uid.as_ref().and_then(|uid| ends.get(uid));
                event.digest = own.map_or(event.digest, |(_, mac)| mac.clone());
            }
            let end = ends.entry(event.stream.clone().unwrap()).or_default();
            (event.seq, event.prev_mac) = (Some(end.0 + 1), end.1.clone());
            let event = self.forge_event(event);
            *end = (end.0 + 1, event.mac.clone());
            events[index] = event;
        }
        let heads = store.records().map(|record| {
            if record.key.kind != RecordKind::Stream {
                return record.clone();
            }
            let mut body: Value = serde_json::from_str(&record.data).unwrap();
            let (seq, mac) = ends.get(body["stream"].as_str().unwrap()).cloned().unwrap_or_default();
            (body["seq"], body["mac"]) = (json!(seq), json!(mac));
            self.forge(Record { data: body.to_string(), ..record.clone() })
        });
        store_of(heads.collect::<Vec<_>>(), events)
    }

    pub(crate) fn forge_event(&self, mut event: Event) -> Event {
        let text = |text: &Option<String>| text.clone().map(String::into_bytes);
        let number = |number: Option<u64>| number.map(|number| number.to_be_bytes().to_vec());
        let mut fields = vec![
            Some(b"strongroom/v1/event".to_vec()),
            text(&event.stream),
            number(event.seq),
            number(event.at.map(|at| at.as_millis().cast_unsigned())),
            text(&event.operation_id),
            text(&event.action),
            text(&event.secret_uid),
            text(&event.namespace),
            text(&event.name),
            text(&event.actor),
            text(&event.platform),
            text(&event.outcome),
            text(&event.code),
            text(&event.reason),
            number(event.epoch),
            text(&event.digest),
            text(&event.prev_mac),
        ];
        fields.extend(event.rule.clone().map(|rule| Some(rule.into_bytes())));
        event.mac = Some(mac(&self.audit, &fields));
        event
    }
}

fn mac(key: &[u8; 32], fields: &[Option<Vec<u8>>]) -> String {
    let mut bytes = Vec::new();
    for field in fields {
        let Some(field) = field else {
            bytes.push(0);
            continue;
        };
        bytes.push(1);
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field);
    }
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&bytes).finalize().into_bytes();
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}
