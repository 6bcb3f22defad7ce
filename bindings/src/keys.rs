//! Keyrings as hosts have them: values. A change makes a new one, since the vaults that were opened with one share it.

use crate::OsEntropy;
use strongroom::crypto::KeyId;
use strongroom::keyring::KeyState;
use strongroom::{Error, ErrorCode, Keyring, Result, Timestamp};

/// A keyring of one fresh key. Errors: `ENTROPY_FAILED`; `NAME_INVALID` for the label.
pub fn generate_keyring(label: Option<&str>, now: Timestamp) -> Result<Keyring> {
    let mut keyring = Keyring::generate(&mut OsEntropy, now)?;
    let primary = keyring.keys().next().map(|key| key.id);
    if let Some(id) = primary {
        keyring.relabel(&id, label)?;
    }
    Ok(keyring)
}

/// With one key more, enabled: the one of that text, or a fresh one.
///
/// Errors: those of [`Keyring::add_enabled`] and [`Keyring::add_enabled_text`].
pub fn with_enabled(keyring: &Keyring, key: Option<&str>, label: Option<&str>, now: Timestamp) -> Result<Keyring> {
    let mut keyring = keyring.duplicate();
    match key {
        Some(text) => keyring.add_enabled_text(text, label)?,
        None => keyring.add_enabled(&mut OsEntropy, label, now)?,
    };
    Ok(keyring)
}

/// With another primary, by its id in hex. Errors: those of [`Keyring::make_primary`]; `INVALID_ARGUMENT` for what is no id.
pub fn with_primary(keyring: &Keyring, id: &str) -> Result<Keyring> {
    let mut keyring = keyring.duplicate();
    keyring.make_primary(&parse_id(id)?)?;
    Ok(keyring)
}

/// With a key one step further in its life, by its id in hex and the state's name.
///
/// Errors: those of [`Keyring::advance`]; `INVALID_ARGUMENT` for what is no id or no state.
pub fn with_advanced(keyring: &Keyring, id: &str, to: &str) -> Result<Keyring> {
    let mut keyring = keyring.duplicate();
    keyring.advance(&parse_id(id)?, KeyState::from_name(to)?)?;
    Ok(keyring)
}

/// With another label of a key, or none. Errors: those of [`Keyring::relabel`]; `INVALID_ARGUMENT` for what is no id.
pub fn with_label(keyring: &Keyring, id: &str, label: Option<&str>) -> Result<Keyring> {
    let mut keyring = keyring.duplicate();
    keyring.relabel(&parse_id(id)?, label)?;
    Ok(keyring)
}

fn parse_id(id: &str) -> Result<KeyId> {
    let message = "a key id has 64 hex digits: see the ids of the keyring's keys";
    KeyId::from_hex(id).ok_or_else(|| Error::new(ErrorCode::InvalidArgument, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn states(keyring: &Keyring) -> Vec<(Option<&str>, KeyState)> {
        keyring.keys().map(|key| (key.label.as_deref(), key.state)).collect()
    }

    #[test]
    fn every_change_makes_a_new_keyring_and_leaves_the_old_one_as_it_was() {
        let first = generate_keyring(Some("2026"), NOW).unwrap();
        let step_1 = with_enabled(&first, None, Some("2027"), NOW).unwrap();
        let [old, new] = [0, 1].map(|place| step_1.keys().nth(place).unwrap().id.to_hex());
        let step_2 = with_primary(&step_1, &new).unwrap();
        let last = with_advanced(&with_advanced(&step_2, &old, "disabled").unwrap(), &old, "destroyed").unwrap();
        let last = with_label(&last, &new, None).unwrap();
        assert_eq!(states(&first), [(Some("2026"), KeyState::Primary)]);
        assert_eq!(states(&step_1), [(Some("2026"), KeyState::Primary), (Some("2027"), KeyState::Enabled)]);
        assert_eq!(states(&step_2), [(Some("2027"), KeyState::Primary), (Some("2026"), KeyState::Enabled)]);
        assert_eq!(states(&last), [(None, KeyState::Primary), (Some("2026"), KeyState::Destroyed)]);
        assert_eq!(with_advanced(&step_2, &new, "disabled").unwrap_err().code(), ErrorCode::KeyInUse);
    }

    #[test]
    fn what_is_no_id_or_no_state_is_refused() {
        let keyring = generate_keyring(None, NOW).unwrap();
        let id = keyring.keys().next().unwrap().id.to_hex();
        for wrong in ["", &id[..8], &"z".repeat(64)] {
            assert_eq!(with_primary(&keyring, wrong).unwrap_err().code(), ErrorCode::InvalidArgument);
        }
        assert_eq!(with_primary(&keyring, &"0".repeat(64)).unwrap_err().code(), ErrorCode::KeyUnknown);
        assert_eq!(with_advanced(&keyring, &id, "Disabled").unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}
