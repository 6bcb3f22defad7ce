//! The history of a secret on its way to another vault: chained under a key of the archive that it travels in, and under
//! the target's own once it is there.
//!
//! There it is a stream of its own that was closed when it came: an event of the vault's own stream holds its last MAC, and
//! nothing is ever appended to it.

use super::Event;
use crate::crypto::MacKey;
use crate::encoding::{Encoder, hex};
use crate::ident::Actor;
use crate::record::read_mac;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// What the names of such streams begin with; those of secrets are hex digits.
const IMPORTED: &str = "imported:";

impl Event {
    /// Whether it happened in another vault, and came from there with the secret.
    pub fn is_foreign(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.starts_with(IMPORTED))
    }

    /// Whether its texts are such as a vault writes, so that whoever shows them shows lines.
    fn is_plain(&self) -> bool {
        let Event { action, secret_uid, actor, platform, outcome, code, reason, digest, rule, .. } = self;
        [action, secret_uid, actor, platform, outcome, code, reason, digest, rule]
            .into_iter()
            .flatten()
            .all(|text| text.len() <= Actor::MAX && !text.contains(char::is_control))
    }
}

/// The stream of a history that an operation brought to a name.
pub(super) fn imported_stream(operation_id: &str, namespace: &str, name: &str) -> String {
    let mut encoder = Encoder::new("strongroom/v1/imported");
    encoder.text(operation_id).text(namespace).text(name);
    let digest: [u8; 32] = Sha256::digest(encoder.finish()).into();
    let (id, _) = digest.split_at(16);
    format!("{IMPORTED}{}", hex(id))
}

/// Chains the events of one name under the key of an archive, in their order. Whatever else they say stays.
pub(crate) fn enclose(events: &mut [Event], key: &MacKey) {
    let mut last = None;
    for event in events {
        event.prev_mac = last.take();
        event.mac = Some(hex(&key.mac(&event.authenticated())));
        last.clone_from(&event.mac);
    }
}

/// Whether an event is one of a name and follows the one before it, if there is one, as an archive's key chained them. Errors:
/// what is wrong.
pub(crate) fn verify_enclosed(
    (before, event): (Option<&Event>, &Event),
    (namespace, name): (&str, &str),
    key: &MacKey,
) -> Result<(), &'static str> {
    if event.namespace.as_deref() != Some(namespace) || event.name.as_deref() != Some(name) {
        return Err("an event is of another secret");
    }
    if event.at.is_none() || event.action.is_none() || event.outcome.is_none() {
        return Err("an event does not say what happened");
    }
    if !event.is_plain() {
        return Err("an event holds what no vault writes there");
    }
    if event.prev_mac.as_ref() != before.and_then(|before| before.mac.as_ref()) {
        return Err("an event is missing, or out of order");
    }
    if !event.is_authentic(key) {
        return Err("an event was altered");
    }
    Ok(())
}

/// The same events as a closed stream of this vault: their places and links are its own, whatever else they say stays. The
/// last of the result is the stream's end.
pub(crate) fn link_foreign(
    events: &[Event],
    (namespace, name): (&str, &str),
    key: &MacKey,
    (operation_id, epoch): (&[u8; 16], u64),
) -> (Vec<Event>, Option<[u8; 32]>) {
    let operation_id = hex(operation_id);
    let stream = imported_stream(&operation_id, namespace, name);
    let mut linked = Vec::with_capacity(events.len());
    let mut last = None;
    for (seq, event) in (1..).zip(events) {
        let mut event = Event {
            stream: Some(stream.to_string()),
            seq: Some(seq),
            operation_id: Some(operation_id.clone()),
            epoch: Some(epoch),
            prev_mac: last,
            mac: None,
            ..event.clone()
        };
        event.mac = Some(hex(&key.mac(&event.authenticated())));
        last = event.mac.clone();
        linked.push(event);
    }
    (linked, last.as_deref().and_then(read_mac))
}
