//! A whole keyring as octets, to be sealed: every key with its id, label, time, state and, unless destroyed, material.
//!
//! The canonical encoding of what may be told, and behind it the materials, 32 octets each, in the same order. So key
//! material is in one buffer of exactly its size, which is wiped, and in no shape that is serialised. `docs/format.md`
//! specifies it.

use super::fields::Fields;
use super::life::{KEYS_MAX, parse_label, too_many_keys};
use super::{Entry, KeyInfo, KeyState, Keyring};
use crate::crypto::{KEY_LEN, KeyId, KeyMaterial};
use crate::encoding::Encoder;
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use zeroize::Zeroizing;

const DOMAIN: &str = "strongroom/v1/keyring";

impl Keyring {
    /// Everything there is to know of the keyring. Errors: `LIMIT_EXCEEDED` beyond 1000 keys.
    pub(super) fn to_blob(&self) -> Result<SecretBytes> {
        if self.entries.len() > KEYS_MAX {
            return Err(too_many_keys());
        }
        let mut told = Encoder::new(DOMAIN);
        told.integer(self.entries.len() as u64);
        for KeyInfo { id, label, created_at, state } in self.keys() {
            told.field(id.as_bytes())
                .text(state.name())
                .optional_text(label.as_deref())
                .optional_integer(created_at.map(|at| at.as_millis().cast_unsigned()));
        }
        let told = told.finish();
        // Sized beforehand: a buffer that grew would leave its old self behind.
        let mut blob = Vec::with_capacity(told.len() + KEY_LEN * self.entries.len());
        blob.extend_from_slice(&told);
        for material in self.entries.iter().filter_map(|entry| entry.material.as_ref()) {
            blob.extend_from_slice(material.raw());
        }
        Ok(SecretBytes::new(blob))
    }

    /// The reverse. It believes nothing: ids are derived again, and every rule of a keyring is checked.
    ///
    /// Errors: `KEY_INVALID`; `LIMIT_EXCEEDED` beyond 1000 keys.
    pub(super) fn from_blob(blob: &[u8]) -> Result<Keyring> {
        let mut fields = Fields::of(blob, DOMAIN).ok_or_else(|| unreadable("it is none"))?;
        let count = fields.integer().ok_or_else(|| unreadable("it is cut"))?;
        if count > KEYS_MAX as u64 {
            return Err(too_many_keys());
        }
        let mut told: Vec<KeyInfo> = Vec::new();
        for number in 1..=count {
            let info = read_info(&mut fields).ok_or_else(|| unreadable(&format!("key {number} cannot be read")))?;
            if told.iter().any(|other| other.id == info.id) {
                return Err(unreadable(&format!("key {number} is there twice")));
            }
            told.push(info);
        }
        if told.iter().filter(|info| info.state == KeyState::Primary).count() != 1 {
            return Err(unreadable("it has not exactly one primary key"));
        }
        let mut materials = fields.rest();
        let mut entries = Vec::with_capacity(told.len());
        for info in told {
            let material =
                if info.state == KeyState::Destroyed { None } else { Some(take_key(&mut materials, info.id)?) };
            entries.push(Entry { info, material });
        }
        if !materials.is_empty() {
            return Err(unreadable("something stands behind its end"));
        }
        Ok(Keyring { entries })
    }
}

fn read_info(fields: &mut Fields<'_>) -> Option<KeyInfo> {
    let id = KeyId::from_bytes(fields.array()?);
    let state = fields.text()?;
    let state = KeyState::ALL.into_iter().find(|known| known.name() == state)?;
    let label = match fields.optional()? {
        Some(label) => Some(parse_label("label", core::str::from_utf8(label).ok()?).ok()?),
        None => None,
    };
    let created_at = match fields.optional()? {
        Some(at) => Some(Timestamp::from_millis(i64::from_be_bytes(at.try_into().ok()?))),
        None => None,
    };
    Some(KeyInfo { id, label, created_at, state })
}

fn take_key(materials: &mut &[u8], id: KeyId) -> Result<KeyMaterial> {
    let (raw, rest) = materials.split_first_chunk::<KEY_LEN>().ok_or_else(|| unreadable("it is cut"))?;
    *materials = rest;
    let material = KeyMaterial::derive(Box::new(Zeroizing::new(*raw)));
    if material.id() != id {
        return Err(unreadable(&format!("key {id} has another id than its material")));
    }
    Ok(material)
}

fn unreadable(what: &str) -> Error {
    let message = format!("the keyring cannot be read: {what}; was it made by a newer version?");
    Error::new(ErrorCode::KeyInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::testing::Seeded;
    use alloc::string::ToString;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// Keys in every state: a primary with a label, an enabled one of unknown age, a disabled and a destroyed one.
    fn ring() -> Keyring {
        let mut keyring = Keyring::parse(&"07".repeat(32)).unwrap();
        let entropy = &mut Seeded::new(1);
        let gone = keyring.add_enabled(entropy, Some("gone"), Timestamp::from_millis(-5)).unwrap();
        let off = keyring.add_enabled(entropy, None, NOW).unwrap();
        keyring.add_primary(entropy, Some("2027 \u{e9}"), NOW).unwrap();
        for (id, states) in [(gone, &[KeyState::Disabled, KeyState::Destroyed][..]), (off, &[KeyState::Disabled])] {
            states.iter().for_each(|state| keyring.advance(&id, *state).unwrap());
        }
        keyring
    }

    fn raws(keyring: &Keyring) -> Vec<Option<[u8; 32]>> {
        keyring.entries.iter().map(|entry| entry.material.as_ref().map(|key| *key.raw())).collect()
    }

    fn told(keyring: &Keyring) -> Vec<KeyInfo> {
        keyring.keys().cloned().collect()
    }

    #[test]
    fn a_keyring_comes_back_with_every_state_label_and_time() {
        let keyring = ring();
        let states: Vec<_> = keyring.keys().map(|key| key.state).collect();
        assert_eq!(states, [KeyState::Primary, KeyState::Enabled, KeyState::Destroyed, KeyState::Disabled]);
        let back = Keyring::from_blob(keyring.to_blob().unwrap().expose()).unwrap();
        assert_eq!((told(&back), raws(&back)), (told(&keyring), raws(&keyring)));
        assert_eq!(back.to_blob().unwrap(), keyring.to_blob().unwrap());
        assert_eq!(raws(&back).iter().filter(|raw| raw.is_none()).count(), 1);
    }

    #[test]
    fn nothing_of_a_destroyed_key_is_written() {
        let mut keyring = ring();
        let doomed = keyring.keys().find(|key| key.state == KeyState::Disabled).unwrap().id;
        let raw = raws(&keyring)[3].unwrap();
        let holds = |keyring: &Keyring| keyring.to_blob().unwrap().expose().windows(32).any(|window| window == raw);
        assert!(holds(&keyring));
        keyring.advance(&doomed, KeyState::Destroyed).unwrap();
        assert!(!holds(&keyring));
    }

    #[test]
    fn a_blob_that_is_cut_or_longer_is_refused() {
        let blob = ring().to_blob().unwrap();
        for length in 0..blob.len() {
            let error = Keyring::from_blob(&blob.expose()[..length]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::KeyInvalid, "{length}");
        }
        let longer = [blob.expose(), &[0]].concat();
        assert!(Keyring::from_blob(&longer).unwrap_err().message().contains("behind its end"));
    }

    /// A blob of our own making: of each key, its state and label.
    fn forged(count: u64, keys: &[(u8, &str, Option<&str>)]) -> Vec<u8> {
        let mut message = Encoder::new(DOMAIN);
        message.integer(count);
        for (byte, state, label) in keys {
            let id = KeyMaterial::derive(Box::new(Zeroizing::new([*byte; 32]))).id();
            message.field(id.as_bytes()).text(state).optional_text(*label).optional_integer(None);
        }
        let mut blob = message.finish();
        keys.iter().filter(|key| key.1 != "destroyed").for_each(|key| blob.extend_from_slice(&[key.0; 32]));
        blob
    }

    #[test]
    fn keyrings_that_break_a_rule_are_refused() {
        assert!(Keyring::from_blob(&forged(2, &[(1, "primary", Some("a")), (2, "enabled", None)])).is_ok());
        let long = "x".repeat(129);
        let hostile = [
            forged(0, &[]),
            forged(1, &[(1, "enabled", None)]),
            forged(2, &[(1, "primary", None), (2, "primary", None)]),
            forged(2, &[(1, "primary", None), (1, "enabled", None)]),
            forged(1, &[(1, "destroyed", None)]),
            forged(1, &[(1, "Primary", None)]),
            forged(1, &[(1, "primary", Some(""))]),
            forged(1, &[(1, "primary", Some("a\n"))]),
            forged(1, &[(1, "primary", Some(&long))]),
            forged(2, &[(1, "primary", None)]),
            forged(1, &[(1, "primary", None), (2, "enabled", None)]),
            forged(1000, &[(1, "primary", None)]),
        ];
        for (index, blob) in hostile.iter().enumerate() {
            assert_eq!(Keyring::from_blob(blob).unwrap_err().code(), ErrorCode::KeyInvalid, "{index}");
        }
        for count in [1001, u64::MAX] {
            let error = Keyring::from_blob(&forged(count, &[(1, "primary", None)])).unwrap_err();
            assert_eq!(error.code(), ErrorCode::LimitExceeded);
        }
        let mut swapped = forged(1, &[(1, "primary", None)]);
        *swapped.last_mut().unwrap() ^= 1;
        assert!(Keyring::from_blob(&swapped).unwrap_err().message().contains("another id"));
    }

    #[test]
    fn a_thousand_keys_are_taken_and_one_more_is_not() {
        let texts: Vec<_> = (0..1000_u32).map(|number| format!("{number:064x}")).collect();
        let mut keyring = Keyring::parse(&texts.join(",")).unwrap();
        assert_eq!(Keyring::from_blob(keyring.to_blob().unwrap().expose()).unwrap().keys().count(), 1000);
        let refused = keyring.add_enabled(&mut Seeded::new(1), None, NOW).unwrap_err();
        assert_eq!((refused.code(), keyring.keys().count()), (ErrorCode::LimitExceeded, 1000));
        let more = Keyring::parse(&[texts.join(","), "ff".repeat(32)].join(",")).unwrap();
        assert_eq!(more.to_blob().unwrap_err().to_string(), refused.to_string());
    }
}
