//! Keyrings that can be kept: sealed under a data key, which one or more wraps give back.
//!
//! A wrap is a door of its own: a passphrase, or whatever the host has to wrap 32 bytes with (a KMS, Transit, a keychain).
//! Each opens the same keyring, and each is added and removed without the others:
//!
//! ```text
//! keyring --sealed under--> data key --sealed under--> argon2id(passphrase)   any number of these,
//!                                    --wrapped by----> the host               side by side
//! ```
//!
//! A changed keyring is sealed again under the same data key ([`WrappedKeyring::reseal`]), so nobody has to give their
//! passphrase again. It follows that a wrap, once known, opens what is sealed later: removing a wrap keeps out who has not
//! kept a copy of it. To keep everybody else out too, wrap the keyring anew ([`WrappedKeyring::seal`]) with new keys in it.

mod document;
mod passphrase;
#[cfg(test)]
mod tests;

pub use document::{WRAPPED_TEXT_MAX, WRAPPED_TEXT_PREFIX};
pub use passphrase::PassphraseCost;

use super::Keyring;
use super::life::parse_label;
use crate::crypto::sealed::{self, Sealed};
use crate::crypto::{Context, KEY_LEN, KeyId, KeyMaterial, Purpose};
use crate::encoding::Encoder;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use passphrase::SALT_LEN;
use zeroize::Zeroizing;

/// The most wraps of one keyring.
pub const WRAPS_MAX: usize = 32;

/// The longest result of a host's wrap that is kept, in bytes.
pub const HOST_WRAP_MAX: usize = 8 * 1024;

/// The key that a wrapped keyring is sealed under: 32 random bytes. Whoever has it opens the keyring; never shown.
#[derive(Debug)]
pub struct DataKey(KeyMaterial);

impl DataKey {
    /// The 32 bytes, for the host's own `wrap` and for nothing else: they open the keyring as it is and as it will be.
    pub fn dangerous_export(&self) -> SecretBytes {
        // EXPOSE: the host wraps them, and gives back what it made of them.
        SecretBytes::copy_of(self.0.raw())
    }

    fn of(bytes: &SecretBytes) -> Option<DataKey> {
        let raw: &[u8; KEY_LEN] = bytes.expose().try_into().ok()?;
        Some(DataKey(KeyMaterial::derive(Box::new(Zeroizing::new(*raw)))))
    }
}

/// One way to open a wrapped keyring.
pub struct Wrap {
    label: String,
    door: Door,
}

enum Door {
    Passphrase { cost: PassphraseCost, salt: [u8; SALT_LEN], sealed: String },
    Host { opaque: Vec<u8> },
}

impl Wrap {
    /// What people call it; unique among the wraps of a keyring.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What its passphrase costs to try, if it is a passphrase.
    pub const fn cost(&self) -> Option<PassphraseCost> {
        match &self.door {
            Door::Passphrase { cost, .. } => Some(*cost),
            Door::Host { .. } => None,
        }
    }

    /// What the host's wrap made of the data key, if it is the host's.
    pub fn opaque(&self) -> Option<&[u8]> {
        match &self.door {
            Door::Passphrase { .. } => None,
            Door::Host { opaque } => Some(opaque),
        }
    }
}

impl fmt::Debug for Wrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.opaque().is_some() { "host" } else { "passphrase" };
        f.debug_struct("Wrap").field("label", &self.label).field("kind", &kind).finish_non_exhaustive()
    }
}

/// A keyring that only its wraps can open. To keep: [`to_text`](Self::to_text) and [`parse`](Self::parse).
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
/// # let mut entropy = Counting(0);
/// use strongroom::keyring::{PassphraseCost, WrappedKeyring};
/// use strongroom::{Keyring, SecretBytes};
/// let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
/// let passphrase = SecretBytes::copy_of(b"correct horse battery staple");
///
/// let (mut wrapped, data_key) = WrappedKeyring::seal(&keyring, &mut entropy)?;
/// wrapped.add_passphrase(&data_key, "alice", &passphrase, PassphraseCost::default(), &mut entropy)?;
/// let text = wrapped.to_text()?;
///
/// let opened = WrappedKeyring::parse(&text)?.open_with_passphrase(&passphrase)?;
/// assert!(opened.keyring.keys().eq(keyring.keys()));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct WrappedKeyring {
    /// Sealed v1 text.
    sealed: String,
    // INVARIANT: the key id that `sealed` names.
    data_key_id: KeyId,
    // INVARIANT: labels unique, at most `WRAPS_MAX`; empty only until the first is added.
    wraps: Vec<Wrap>,
}

/// What opening a wrapped keyring gives.
#[derive(Debug)]
pub struct Unwrapped {
    /// The keyring, as it was sealed.
    pub keyring: Keyring,
    /// What the keyring is sealed under: to seal a changed one again, and to add wraps.
    pub data_key: DataKey,
}

impl WrappedKeyring {
    /// Seals a keyring under a fresh data key. There is no wrap yet: add one with the data key.
    ///
    /// Errors: `ENTROPY_FAILED`; `LIMIT_EXCEEDED` beyond 1000 keys.
    pub fn seal(keyring: &Keyring, entropy: &mut dyn Entropy) -> Result<(WrappedKeyring, DataKey)> {
        let mut raw = Box::new(Zeroizing::new([0u8; KEY_LEN]));
        entropy.fill(raw.as_mut_slice())?;
        let data_key = DataKey(KeyMaterial::derive(raw));
        let sealed = seal_keyring(keyring, &data_key, entropy)?;
        Ok((WrappedKeyring { sealed, data_key_id: data_key.0.id(), wraps: Vec::new() }, data_key))
    }

    /// Seals a changed keyring in place of the one that is there; every wrap stays good.
    ///
    /// Errors: `INVALID_ARGUMENT` for the data key of another wrapped keyring; `ENTROPY_FAILED`; `LIMIT_EXCEEDED`.
    pub fn reseal(&mut self, data_key: &DataKey, keyring: &Keyring, entropy: &mut dyn Entropy) -> Result<()> {
        self.check_own(data_key)?;
        self.sealed = seal_keyring(keyring, data_key, entropy)?;
        Ok(())
    }

    /// Adds a passphrase: text of at least 8 characters and at most 1024 bytes, every one of which counts, white space
    /// too. Trying it costs `cost`, now and whenever the keyring is opened.
    ///
    /// Errors: `VALUE_INVALID` for the passphrase; `NAME_INVALID` for a label that is not 1 to 128 bytes without control
    /// characters; `INVALID_ARGUMENT` for a label that is taken, or the data key of another wrapped keyring;
    /// `LIMIT_EXCEEDED` beyond 32 wraps, or without the memory; `ENTROPY_FAILED`.
    pub fn add_passphrase(
        &mut self,
        data_key: &DataKey,
        label: &str,
        passphrase: &SecretBytes,
        cost: PassphraseCost,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let label = self.check_new(data_key, label)?;
        passphrase::check_new(passphrase)?;
        let salt: [u8; SALT_LEN] = make_bytes(entropy)?;
        let key = passphrase::derive_key(passphrase, &salt, cost)?;
        let bound = bind_passphrase(&self.data_key_id, &label, cost, &salt);
        let context = Context { associated_data: Some(&bound), ..Context::of(Purpose::Wrap) };
        let sealed = sealed::seal(&key, entropy, &context, data_key.0.raw())?;
        self.wraps.push(Wrap { label, door: Door::Passphrase { cost, salt, sealed } });
        Ok(())
    }

    /// Adds what the host's `wrap` made of the data key: 1 to 8192 bytes that only the host understands.
    ///
    /// Errors: `INVALID_ARGUMENT` also when they hold the data key in the clear; otherwise as for
    /// [`add_passphrase`](Self::add_passphrase).
    pub fn add_host(&mut self, data_key: &DataKey, label: &str, opaque: &[u8]) -> Result<()> {
        let label = self.check_new(data_key, label)?;
        if !(1..=HOST_WRAP_MAX).contains(&opaque.len()) {
            let message = format!("the host's wrap gave {} bytes: 1 to {HOST_WRAP_MAX} can be kept", opaque.len());
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        if opaque.windows(KEY_LEN).any(|window| window == data_key.0.raw()) {
            let message = "the host's wrap gave the data key back in the clear: it has to encrypt it";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        self.wraps.push(Wrap { label, door: Door::Host { opaque: opaque.to_vec() } });
        Ok(())
    }

    /// Removes a wrap; the data key stays as it is (see the module on who that keeps out).
    ///
    /// Errors: `INVALID_ARGUMENT` when there is none of that label; `KEY_IN_USE` for the last one.
    pub fn remove(&mut self, label: &str) -> Result<()> {
        let Some(place) = self.wraps.iter().position(|wrap| wrap.label == label) else {
            return Err(Error::new(
                ErrorCode::InvalidArgument,
                "the keyring has no wrap of that label: list its wraps",
            ));
        };
        if self.wraps.len() == 1 {
            let message = "it is the last wrap, without which the keyring never opens again: add another one first";
            return Err(Error::new(ErrorCode::KeyInUse, message));
        }
        self.wraps.remove(place);
        Ok(())
    }

    /// The wraps, in the order in which they were added.
    pub fn wraps(&self) -> impl Iterator<Item = &Wrap> {
        self.wraps.iter()
    }

    /// The wraps that the host can open, each as its label and what the host's `wrap` had made of the data key. What the
    /// host's `unwrap` makes of that goes to [`open_with_data_key`](Self::open_with_data_key).
    pub fn host_wraps(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.wraps.iter().filter_map(|wrap| Some((wrap.label(), wrap.opaque()?)))
    }

    /// Opens the keyring by a passphrase: every passphrase wrap is tried in order, each at its own cost.
    ///
    /// Errors: `NOT_AUTHENTIC` for a wrong passphrase, or what was altered on purpose; `UNSUPPORTED` when no wrap is a
    /// passphrase; `LIMIT_EXCEEDED` without the memory.
    pub fn open_with_passphrase(&self, passphrase: &SecretBytes) -> Result<Unwrapped> {
        let mut tried = 0;
        for wrap in &self.wraps {
            let Door::Passphrase { cost, salt, sealed } = &wrap.door else { continue };
            tried += 1;
            let key = passphrase::derive_key(passphrase, salt, *cost)?;
            let bound = bind_passphrase(&self.data_key_id, &wrap.label, *cost, salt);
            let context = Context { associated_data: Some(&bound), ..Context::of(Purpose::Wrap) };
            if let Ok(data_key) = Sealed::parse(sealed)?.open(&key, &context) {
                return self.open_with_data_key(&data_key);
            }
        }
        if tried == 0 {
            let message = "no wrap of this keyring is a passphrase: open it by the host's unwrap";
            return Err(Error::new(ErrorCode::Unsupported, message));
        }
        let message = format!("wrong passphrase: it opens none of the keyring's passphrase wraps ({tried} tried)");
        Err(Error::new(ErrorCode::NotAuthentic, message))
    }

    /// Opens the keyring by its data key, as the host's `unwrap` gave it back.
    ///
    /// Errors: `NOT_AUTHENTIC` for any other key, and for a keyring that was altered on purpose; `KEY_INVALID` or
    /// `LIMIT_EXCEEDED` for one that this version can't read.
    pub fn open_with_data_key(&self, data_key: &SecretBytes) -> Result<Unwrapped> {
        let data_key = DataKey::of(data_key).filter(|key| key.0.id() == self.data_key_id).ok_or_else(|| {
            let message =
                "wrong data key: it is not the one that this keyring is sealed under; did the host unwrap another one?";
            Error::new(ErrorCode::NotAuthentic, message)
        })?;
        let opened = Sealed::parse(&self.sealed)?.open(&data_key.0, &Context::of(Purpose::Wrap)).map_err(|_| {
            let message = "the data key is right, but the keyring beside it was altered: restore it from a copy";
            Error::new(ErrorCode::NotAuthentic, message)
        })?;
        Ok(Unwrapped { keyring: Keyring::from_blob(opened.expose())?, data_key })
    }

    /// Whether a wrap of that label may be added with that key.
    fn check_new(&self, data_key: &DataKey, label: &str) -> Result<String> {
        self.check_own(data_key)?;
        let label = parse_label("the label of a wrap", label)?;
        if self.wraps.iter().any(|wrap| wrap.label == label) {
            let message = "a wrap of that label is there already: remove it first, or choose another label";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        if self.wraps.len() >= WRAPS_MAX {
            return Err(too_many_wraps());
        }
        Ok(label)
    }

    fn check_own(&self, data_key: &DataKey) -> Result<()> {
        if data_key.0.id() == self.data_key_id {
            return Ok(());
        }
        let message = "the data key is that of another wrapped keyring: open this one to get its own";
        Err(Error::new(ErrorCode::InvalidArgument, message))
    }
}

impl fmt::Debug for WrappedKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKeyring").field("wraps", &self.wraps).finish_non_exhaustive()
    }
}

fn seal_keyring(keyring: &Keyring, data_key: &DataKey, entropy: &mut dyn Entropy) -> Result<String> {
    sealed::seal(&data_key.0, entropy, &Context::of(Purpose::Wrap), keyring.to_blob()?.expose())
}

/// What a passphrase's wrap is bound to: the data key that it gives, by id, and its own label, cost and salt.
fn bind_passphrase(data_key_id: &KeyId, label: &str, cost: PassphraseCost, salt: &[u8; SALT_LEN]) -> Vec<u8> {
    let mut encoder = Encoder::new("strongroom/v1/wrap/passphrase");
    encoder.field(data_key_id.as_bytes()).text(label);
    for number in [cost.memory_kib(), cost.passes(), cost.lanes()] {
        encoder.integer(number.into());
    }
    encoder.field(salt);
    encoder.finish()
}

fn too_many_wraps() -> Error {
    Error::new(ErrorCode::LimitExceeded, format!("a wrapped keyring has at most {WRAPS_MAX} wraps"))
}
