//! What leaked, remembered by the first half of its fingerprint when the value itself may be gone.
//!
//! A fingerprint is keyed by a root, and can't be moved to another without the value. So each says which root it is under:
//! 32 hex digits are under the first, `N.` and 32 hex digits under that of epoch `N`. In the same way a version that nobody
//! could open while the root was renewed keeps its whole fingerprint, behind `N.`, so that it is known again if it leaks later.

use super::Head;
use crate::encoding::hex;
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use alloc::format;
use alloc::string::{String, ToString};

/// How many hex digits of a fingerprint are remembered.
const HALF: usize = 32;

/// A fingerprint that stays under the root of an epoch when another comes in force; or of the one that it stayed under before.
pub(super) fn left_behind(epoch: u64, fingerprint: &str) -> String {
    if is_left_behind(fingerprint) { fingerprint.to_string() } else { format!("{epoch}.{fingerprint}") }
}

/// Whether a fingerprint stayed under a former root: nothing is found by it, and no value has the same.
pub(crate) fn is_left_behind(fingerprint: &str) -> bool {
    fingerprint.contains('.')
}

/// What is remembered of a fingerprint under the root of an epoch, or of the one that it stayed under; nothing for text that
/// is none.
pub(super) fn entry(epoch: u64, fingerprint: &str) -> Option<String> {
    let (epoch, digits) = match fingerprint.split_once('.') {
        Some((its_own, digits)) => (its_own.parse().ok()?, digits),
        None => (epoch, fingerprint),
    };
    let half = digits.get(..HALF)?;
    Some(if epoch == 1 { half.to_string() } else { format!("{epoch}.{half}") })
}

/// Whether a value is among those remembered. Former roots are opened only where something is remembered under them. Errors:
/// `RECORD_TAMPERED` for what is no entry; those of opening a former root.
pub(super) fn is_among(entries: &[String], value: &SecretBytes, head: &Head) -> Result<bool> {
    let mut at: Option<(u64, String)> = None;
    for text in entries {
        let (epoch, half) = read(text)?;
        let known = at.take().filter(|(under, _)| *under == epoch);
        let (_, fingerprint) = at.insert(match known {
            Some(known) => known,
            None if epoch == head.epoch => (epoch, hex(&head.keys.fingerprint.mac(value.expose()))),
            None => (epoch, hex(&head.former_keys(epoch)?.fingerprint.mac(value.expose()))),
        });
        if fingerprint.starts_with(half) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read(text: &str) -> Result<(u64, &str)> {
    let (epoch, half) = match text.split_once('.') {
        Some((epoch, half)) => (epoch.parse().ok(), half),
        None => (Some(1), text),
    };
    match epoch {
        Some(epoch) if half.len() == HALF => Ok((epoch, half)),
        _ => {
            Err(Error::new(ErrorCode::RecordTampered, "what a secret remembers of its leaks can't be read: restore it"))
        }
    }
}
