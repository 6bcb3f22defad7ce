//! Keys with ids and states, and the one `decrypt` that reads every format.
//!
//! Exactly one key is primary: it writes. Enabled keys read, and any of them can take the primary's place. From `enabled` a
//! key goes to `disabled` and then to `destroyed`, never back, and a destroyed one keeps its tombstone, so that what it
//! sealed is explained. A whole keyring is kept as a [`WrappedKeyring`].

mod blob;
mod environment;
mod fields;
mod life;
mod signing;
mod text;
mod wrap;

pub use environment::{Environment, KEY_FILE_VARIABLE, KEY_VARIABLE};
pub use life::{KEYS_MAX, KeyState, LABEL_MAX};
pub use signing::{
    SIGNER_NAME, SIGNING_KEY_FILE_VARIABLE, SIGNING_KEY_TEXT_PREFIX, SIGNING_KEY_VARIABLE, SigningKey, Verifier,
};
pub use text::KEY_TEXT_PREFIX;
pub use wrap::{
    DataKey, HOST_WRAP_MAX, PassphraseCost, Unwrapped, WRAPPED_TEXT_MAX, WRAPPED_TEXT_PREFIX, WRAPS_MAX, Wrap,
    WrappedKeyring,
};

use crate::crypto::fernet::Token;
use crate::crypto::node_gcm::NodeGcm;
use crate::crypto::sealed::Sealed;
use crate::crypto::{Context, Format, KEY_LEN, KeyId, KeyMaterial, node_gcm, sealed};
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// What may be told of a key: everything but its material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key id.
    pub id: KeyId,
    /// What people call it.
    pub label: Option<String>,
    /// When it was made, where that is known; key text does not say.
    pub created_at: Option<Timestamp>,
    /// Where it is in its life.
    pub state: KeyState,
}

#[derive(Debug)]
struct Entry {
    info: KeyInfo,
    // INVARIANT: `None` exactly when the state is `Destroyed`.
    material: Option<KeyMaterial>,
}

/// Keys in order, the primary among them.
#[derive(Debug)]
pub struct Keyring {
    // INVARIANT: never empty, ids unique, exactly one primary.
    entries: Vec<Entry>,
}

/// A decrypted value, and how it had been written.
#[derive(Debug, PartialEq, Eq)]
pub struct Decrypted {
    /// The plaintext.
    pub value: SecretBytes,
    /// The format that it was read from.
    pub format: Format,
    /// The key that opened it.
    pub key_id: KeyId,
}

impl Keyring {
    /// A keyring of one fresh key. Errors: `ENTROPY_FAILED`.
    pub fn generate(entropy: &mut dyn Entropy, now: Timestamp) -> Result<Keyring> {
        let material = make_material(entropy)?;
        Keyring::from_materials([(material, Some(now))])
    }

    /// A keyring from text: one key, or several separated by commas or newlines, the first of them primary.
    ///
    /// A key is `srk1.` text, base64 or base64url of 32 bytes, or 64 hex digits. Errors: `NOT_CONFIGURED` for nothing at
    /// all; `KEY_INVALID`, which says what was seen (length, alphabet) and never the key.
    ///
    /// ```
    /// use strongroom::Keyring;
    /// let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
    /// assert_eq!(keyring.keys().count(), 1);
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Keyring> {
        let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
        let materials: Vec<_> = parts
            .enumerate()
            .map(|(index, part)| text::parse_key(part).map_err(|what| key_invalid(index, &what)))
            .collect::<Result<_>>()?;
        Keyring::from_materials(materials.into_iter().map(|material| (material, None)))
    }

    fn from_materials(materials: impl IntoIterator<Item = (KeyMaterial, Option<Timestamp>)>) -> Result<Keyring> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, (material, created_at)) in materials.into_iter().enumerate() {
            let state = if index == 0 { KeyState::Primary } else { KeyState::Enabled };
            let info = KeyInfo { id: material.id(), label: None, created_at, state };
            if entries.iter().any(|entry| entry.info.id == info.id) {
                let message = format!("key {} is there twice: give each key once", index + 1);
                return Err(Error::new(ErrorCode::KeyInvalid, message));
            }
            entries.push(Entry { info, material: Some(material) });
        }
        if entries.is_empty() {
            return Err(environment::not_configured("no key was given"));
        }
        Ok(Keyring { entries })
    }

    /// What may be told of every key, in ring order.
    pub fn keys(&self) -> impl Iterator<Item = &KeyInfo> {
        self.entries.iter().map(|entry| &entry.info)
    }

    /// The key that writes.
    pub(crate) fn primary(&self) -> Result<&KeyMaterial> {
        self.in_state(KeyState::Primary).next().ok_or_else(|| environment::not_configured("the keyring has no primary"))
    }

    fn in_state(&self, state: KeyState) -> impl Iterator<Item = &KeyMaterial> {
        self.entries.iter().filter(move |entry| entry.info.state == state).filter_map(|entry| entry.material.as_ref())
    }

    /// The keys that read, the primary first and then in ring order.
    fn readers(&self) -> impl Iterator<Item = &KeyMaterial> {
        self.in_state(KeyState::Primary).chain(self.in_state(KeyState::Enabled))
    }

    /// Encrypts an application's own data under the primary key. `now` stands in Fernet tokens, to the second; the other
    /// formats carry no time.
    ///
    /// Errors: `INVALID_ARGUMENT` when associated data is given for a format that knows none; `ENTROPY_FAILED`;
    /// `VALUE_INVALID` beyond the cipher's limit.
    pub fn encrypt(
        &self,
        (entropy, now): (&mut dyn Entropy, Timestamp),
        plaintext: &[u8],
        format: Format,
        associated_data: Option<&[u8]>,
    ) -> Result<String> {
        let primary = self.primary()?;
        match (format, associated_data) {
            (Format::Sealed, _) => sealed::seal(primary, entropy, &Context::data(associated_data), plaintext),
            (Format::NodeGcm, None) => node_gcm::encrypt(primary, entropy, plaintext),
            (Format::Fernet, None) => {
                let seconds = u64::try_from(now.as_millis().div_euclid(1000)).unwrap_or_default();
                Ok(primary.fernet().encrypt(entropy, seconds, plaintext)?.to_text())
            }
            (Format::NodeGcm | Format::Fernet, Some(_)) => {
                let message = "this format knows no associated data: leave it out, or use the format sealed";
                Err(Error::new(ErrorCode::InvalidArgument, message))
            }
        }
    }

    /// Decrypts an application's own data, in whichever of the three formats it is.
    ///
    /// Associated data binds sealed values alone: the older formats know none, and it is not looked at for them. Where no
    /// old values are left, [`Keyring::decrypt_only`] refuses them. Errors: `KEY_UNKNOWN`, `NOT_AUTHENTIC`,
    /// `TOKEN_MALFORMED`.
    pub fn decrypt(&self, text: &str, associated_data: Option<&[u8]>) -> Result<Decrypted> {
        self.open(text, &Context::data(associated_data))
    }

    /// The same for values of some formats alone. Errors: also `TOKEN_MALFORMED` for a value of another format.
    ///
    /// ```
    /// use strongroom::crypto::Format;
    /// use strongroom::{ErrorCode, Keyring};
    /// let keyring = Keyring::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")?;
    /// let fernet = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    /// assert_eq!(keyring.decrypt(fernet, None)?.value.expose(), b"hello");
    /// let refused = keyring.decrypt_only(&[Format::Sealed], fernet, None).unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::TokenMalformed);
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn decrypt_only(&self, formats: &[Format], text: &str, associated_data: Option<&[u8]>) -> Result<Decrypted> {
        let refused = |format: Format| {
            let message = format!("the value is in the format {}, which is not accepted here", format.name());
            Err(Error::new(ErrorCode::TokenMalformed, message))
        };
        // Before it is opened, when its text says enough: what looks like a Fernet token may yet be the other old format.
        let is_sealed = Format::of(text) == Format::Sealed;
        if !formats.iter().any(|format| (*format == Format::Sealed) == is_sealed) {
            return refused(Format::of(text));
        }
        let decrypted = self.decrypt(text, associated_data)?;
        if formats.contains(&decrypted.format) { Ok(decrypted) } else { refused(decrypted.format) }
    }

    /// Opens a value in its context; the formats that know no context are tried in ring order.
    pub(crate) fn open(&self, text: &str, context: &Context<'_>) -> Result<Decrypted> {
        match Format::of(text) {
            Format::Sealed => self.open_sealed(text, context),
            Format::Fernet => {
                let as_fernet = Token::parse(text)
                    .and_then(|token| self.try_each(Format::Fernet, |key| token.decrypt(key.fernet(), None)));
                as_fernet.or_else(|error| self.open_node_gcm(text).map_err(|_| error))
            }
            Format::NodeGcm => self.open_node_gcm(text),
        }
    }

    /// Opens a sealed value and nothing else: where a store could otherwise pass off a text of a format that knows no
    /// context. Errors: `TOKEN_MALFORMED` for the other formats too.
    pub(crate) fn open_sealed(&self, text: &str, context: &Context<'_>) -> Result<Decrypted> {
        let sealed = Sealed::parse(text)?;
        let key = self.reader(sealed.key_id())?;
        let value = sealed.open(key, context)?;
        Ok(Decrypted { value, format: Format::Sealed, key_id: key.id() })
    }

    fn open_node_gcm(&self, text: &str) -> Result<Decrypted> {
        let parsed = NodeGcm::parse(text)?;
        self.try_each(Format::NodeGcm, |key| parsed.decrypt(key))
    }

    fn try_each(&self, format: Format, open: impl Fn(&KeyMaterial) -> Result<SecretBytes>) -> Result<Decrypted> {
        let opened =
            self.readers().find_map(|key| Some(Decrypted { value: open(key).ok()?, format, key_id: key.id() }));
        opened.ok_or_else(Error::not_authentic)
    }

    fn reader(&self, id: KeyId) -> Result<&KeyMaterial> {
        if let Some(key) = self.readers().find(|key| key.id() == id) {
            return Ok(key);
        }
        let state = self.keys().find(|key| key.id == id).map(|key| key.state);
        let seen = match state {
            Some(state) => format!("which is {} in this keyring", state.name()),
            None => "which is not in the keyring".to_string(),
        };
        let message = format!(
            "Decryption failed - wrong key: the value was sealed with key {id}, {seen}; add that key after the current one"
        );
        Err(Error::new(ErrorCode::KeyUnknown, message))
    }

    /// Every key that reads, as `srk1.` texts separated by commas, the primary first.
    ///
    /// The result opens everything that the keyring opens. Write it where keys are kept, and nowhere else.
    pub fn dangerous_export(&self) -> SecretBytes {
        let texts: Vec<Zeroizing<String>> = self.readers().map(text::write_key).collect();
        let mut joined = Vec::with_capacity(texts.iter().map(|text| text.len() + 1).sum());
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                joined.push(b',');
            }
            joined.extend_from_slice(text.as_bytes());
        }
        SecretBytes::new(joined)
    }
}

fn make_material(entropy: &mut dyn Entropy) -> Result<KeyMaterial> {
    let mut raw = Box::new(Zeroizing::new([0u8; KEY_LEN]));
    entropy.fill(raw.as_mut_slice())?;
    Ok(KeyMaterial::derive(raw))
}

fn key_invalid(index: usize, what: &str) -> Error {
    let message = format!("key {} {what}: give 32 random bytes, as `openssl rand -base64 32` makes them", index + 1);
    Error::new(ErrorCode::KeyInvalid, message)
}

#[cfg(test)]
mod tests;
