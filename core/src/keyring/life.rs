//! The life of a key, and how a new one is rolled out.
//!
//! A keyring that one process writes with takes a new key in one step, [`Keyring::add_primary`]. Where several processes
//! hold copies, none may write with a key that another can't read yet: first [`Keyring::add_enabled`] everywhere, then
//! [`Keyring::make_primary`] everywhere.

use super::text::parse_key;
use super::{Entry, KeyInfo, Keyring, key_invalid, make_material};
use crate::crypto::{KeyId, KeyMaterial};
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;
use zeroize::Zeroizing;

/// The most keys that a keyring takes in, tombstones included.
pub const KEYS_MAX: usize = 1000;

/// The longest label of a key or of a wrap, in bytes.
pub const LABEL_MAX: usize = 128;

/// The life of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Writes and reads. Exactly one key of a keyring.
    Primary,
    /// Reads.
    Enabled,
    /// Kept, but does neither.
    Disabled,
    /// Its material is gone.
    Destroyed,
}

impl KeyState {
    pub(super) const ALL: [KeyState; 4] =
        [KeyState::Primary, KeyState::Enabled, KeyState::Disabled, KeyState::Destroyed];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            KeyState::Primary => "primary",
            KeyState::Enabled => "enabled",
            KeyState::Disabled => "disabled",
            KeyState::Destroyed => "destroyed",
        }
    }

    /// The state of that wire name. Errors: `INVALID_ARGUMENT`.
    pub fn from_name(name: &str) -> Result<KeyState> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| {
            let message = "the state of a key is not known: use primary, enabled, disabled or destroyed";
            Error::new(ErrorCode::InvalidArgument, message)
        })
    }
}

impl Keyring {
    /// Adds a fresh key as the primary; the old primary stays enabled.
    ///
    /// Errors: `ENTROPY_FAILED`; `NAME_INVALID` for a label that is not 1 to 128 bytes without control characters;
    /// `LIMIT_EXCEEDED` beyond 1000 keys.
    pub fn add_primary(&mut self, entropy: &mut dyn Entropy, label: Option<&str>, now: Timestamp) -> Result<KeyId> {
        let id = self.add_enabled(entropy, label, now)?;
        self.make_primary(&id)?;
        Ok(id)
    }

    /// Adds a fresh key that reads and does not write yet: the first step of a roll-out to several processes. It stands
    /// last, so the keys before it are tried first. Errors: as for [`Keyring::add_primary`].
    ///
    /// ```
    /// # struct Counting(u8);
    /// # impl strongroom::Entropy for Counting {
    /// #     fn fill(&mut self, buffer: &mut [u8]) -> strongroom::Result<()> {
    /// #         self.0 += 1;
    /// #         buffer.fill(self.0);
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let (mut entropy, now) = (Counting(0), strongroom::Timestamp::from_millis(0));
    /// use strongroom::Keyring;
    /// use strongroom::keyring::KeyState;
    /// let mut keyring = Keyring::generate(&mut entropy, now)?;
    /// let id = keyring.add_enabled(&mut entropy, Some("2027"), now)?;
    /// // Every process is given this keyring; once all have it, the key may write.
    /// keyring.make_primary(&id)?;
    /// assert_eq!(keyring.keys().next().map(|key| (key.id, key.state)), Some((id, KeyState::Primary)));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn add_enabled(&mut self, entropy: &mut dyn Entropy, label: Option<&str>, now: Timestamp) -> Result<KeyId> {
        self.check_room()?;
        let label = parse_key_label(label)?;
        let material = make_material(entropy)?;
        self.place_last(material, label, Some(now)).ok_or_else(|| {
            let message = "the source of randomness gave a key that is in the keyring already: nothing was done";
            Error::new(ErrorCode::EntropyFailed, message)
        })
    }

    /// The same for a key that there is already, from its text: `srk1.` text, base64 or base64url of 32 bytes, or 64 hex
    /// digits. Errors: `KEY_INVALID` for what is no key, or one that the keyring has, in whatever state; `NAME_INVALID`;
    /// `LIMIT_EXCEEDED`.
    ///
    /// ```
    /// use strongroom::Keyring;
    /// let mut keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
    /// let id = keyring.add_enabled_text(&"07".repeat(32), Some("2027"))?;
    /// assert_eq!(keyring.keys().last().map(|key| key.id), Some(id));
    /// assert!(keyring.add_enabled_text(&"07".repeat(32), None).is_err());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn add_enabled_text(&mut self, text: &str, label: Option<&str>) -> Result<KeyId> {
        self.check_room()?;
        let label = parse_key_label(label)?;
        let material = parse_key(text.trim()).map_err(|what| key_invalid(0, &what))?;
        self.place_last(material, label, None).ok_or_else(|| {
            let message = "the key is in the keyring already: move it on by its id, or give another one";
            Error::new(ErrorCode::KeyInvalid, message)
        })
    }

    /// Calls a key something else, or nothing. Errors: `KEY_UNKNOWN`; `NAME_INVALID`.
    pub fn relabel(&mut self, id: &KeyId, label: Option<&str>) -> Result<()> {
        let label = parse_key_label(label)?;
        let place = self.place(id)?;
        let entry = self.entries.get_mut(place).ok_or_else(|| unknown(id))?;
        entry.info.label = label;
        Ok(())
    }

    /// The same keys once more: for hosts in which a keyring that vaults share never changes, and a change makes a new one.
    pub fn duplicate(&self) -> Keyring {
        let copy = |entry: &Entry| Entry {
            info: entry.info.clone(),
            material: entry.material.as_ref().map(|key| KeyMaterial::derive(Box::new(Zeroizing::new(*key.raw())))),
        };
        Keyring { entries: self.entries.iter().map(copy).collect() }
    }

    /// Makes an enabled key the primary, and puts it first; the old primary stays, enabled. For the primary itself, nothing
    /// changes. Errors: `KEY_UNKNOWN`; `INVALID_ARGUMENT` for a disabled or destroyed key.
    pub fn make_primary(&mut self, id: &KeyId) -> Result<()> {
        let place = self.place(id)?;
        match self.entries.get(place).map(|entry| entry.info.state) {
            Some(KeyState::Primary) => return Ok(()),
            Some(KeyState::Enabled) => {}
            Some(from) => return Err(wrong_step(id, from, KeyState::Primary)),
            None => return Err(unknown(id)),
        }
        for entry in &mut self.entries {
            if entry.info.state == KeyState::Primary {
                entry.info.state = KeyState::Enabled;
            }
        }
        if let Some(reached) = self.entries.get_mut(..=place) {
            reached.rotate_right(1);
        }
        if let Some(first) = self.entries.first_mut() {
            first.info.state = KeyState::Primary;
        }
        Ok(())
    }

    /// Moves a key one step further in its life: enabled to disabled, or disabled to destroyed.
    ///
    /// Errors: `KEY_UNKNOWN`; `KEY_IN_USE` for the primary; `INVALID_ARGUMENT` for any other step.
    pub fn advance(&mut self, id: &KeyId, to: KeyState) -> Result<()> {
        let place = self.place(id)?;
        let entry = self.entries.get_mut(place).ok_or_else(|| unknown(id))?;
        match (entry.info.state, to) {
            (KeyState::Enabled, KeyState::Disabled) => {}
            (KeyState::Disabled, KeyState::Destroyed) => entry.material = None,
            (KeyState::Primary, _) => {
                let message = format!("key {id} is the primary: make another key primary first");
                return Err(Error::new(ErrorCode::KeyInUse, message));
            }
            (from, to) => return Err(wrong_step(id, from, to)),
        }
        entry.info.state = to;
        Ok(())
    }

    /// Which keys there are and what they may do, sorted by id: alike for all keyrings that agree.
    pub(crate) fn states(&self) -> Vec<(KeyId, KeyState)> {
        let mut states: Vec<(KeyId, KeyState)> = Vec::new();
        for key in self.keys() {
            let place = states.partition_point(|(id, _)| *id < key.id);
            states.insert(place, (key.id, key.state));
        }
        states
    }

    fn check_room(&self) -> Result<()> {
        if self.entries.len() < KEYS_MAX { Ok(()) } else { Err(too_many_keys()) }
    }

    /// Puts an enabled key last; nothing when the keyring has it already.
    fn place_last(
        &mut self,
        material: KeyMaterial,
        label: Option<String>,
        created_at: Option<Timestamp>,
    ) -> Option<KeyId> {
        let id = material.id();
        if self.place(&id).is_ok() {
            return None;
        }
        let info = KeyInfo { id, label, created_at, state: KeyState::Enabled };
        self.entries.push(Entry { info, material: Some(material) });
        Some(id)
    }

    fn place(&self, id: &KeyId) -> Result<usize> {
        self.entries.iter().position(|entry| entry.info.id == *id).ok_or_else(|| unknown(id))
    }
}

fn parse_key_label(label: Option<&str>) -> Result<Option<String>> {
    label.map(|label| parse_label("the label of a key", label)).transpose()
}

/// A label that people chose: 1 to 128 bytes without control characters. Errors: `NAME_INVALID`.
pub(super) fn parse_label(what: &str, label: &str) -> Result<String> {
    if label.is_empty() || label.len() > LABEL_MAX || label.chars().any(char::is_control) {
        let message = format!("{what} must have 1 to {LABEL_MAX} bytes and no control characters");
        return Err(Error::new(ErrorCode::NameInvalid, message));
    }
    Ok(label.to_string())
}

pub(super) fn too_many_keys() -> Error {
    Error::new(ErrorCode::LimitExceeded, format!("a keyring has at most {KEYS_MAX} keys, destroyed ones included"))
}

fn unknown(id: &KeyId) -> Error {
    Error::new(ErrorCode::KeyUnknown, format!("the keyring has no key {id}"))
}

fn wrong_step(id: &KeyId, from: KeyState, to: KeyState) -> Error {
    let message = format!("key {id} is {} and can't become {}", from.name(), to.name());
    Error::new(ErrorCode::InvalidArgument, message)
}
