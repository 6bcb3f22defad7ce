//! Sealed v1: `sr1.` and base64url of `key_id[32] nonce[24] ciphertext tag[16]`.
//!
//! XAES-256-GCM (C2SP `XAES-256-GCM.md`, v1.0) under the key's `/seal` derivation, with a random nonce for every value
//! and the [`Context`] as associated data. It never falls back to another format.

use super::{Context, KeyId, KeyMaterial, malformed};
use crate::encoding::{base64url_after, from_base64url};
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use alloc::string::String;
use alloc::vec::Vec;
use xaes_256_gcm::aead::AeadInOut;
use xaes_256_gcm::{Nonce, Tag};
use zeroize::Zeroize;

/// What every sealed text begins with.
pub const PREFIX: &str = "sr1.";

const ID_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const BODY_START: usize = ID_LEN + NONCE_LEN;

/// Seals a value under a key, bound to its context. Errors: `ENTROPY_FAILED`; `VALUE_INVALID` above 2^36 - 32 bytes.
pub fn seal(key: &KeyMaterial, entropy: &mut dyn Entropy, context: &Context<'_>, plaintext: &[u8]) -> Result<String> {
    let id = key.id();
    let nonce: [u8; NONCE_LEN] = make_bytes(entropy)?;
    let data = context.encode(&id);
    base64url_after(PREFIX, BODY_START + plaintext.len() + TAG_LEN, |bytes| {
        let too_long = || Error::new(ErrorCode::ValueInvalid, "the value is too long to be sealed");
        let (id_place, rest) = bytes.split_first_chunk_mut::<ID_LEN>().ok_or_else(too_long)?;
        let (nonce_place, rest) = rest.split_first_chunk_mut::<NONCE_LEN>().ok_or_else(too_long)?;
        let (body, tag_place) = rest.split_last_chunk_mut::<TAG_LEN>().ok_or_else(too_long)?;
        *id_place = *id.as_bytes();
        *nonce_place = nonce;
        body.copy_from_slice(plaintext);
        let tag = key.sealer().encrypt_inout_detached(&Nonce::from(nonce), &data, body.into());
        *tag_place = tag.map_err(|_| too_long())?.into();
        Ok(())
    })
}

/// A sealed text, taken apart but not opened.
pub struct Sealed {
    key_id: KeyId,
    nonce: [u8; NONCE_LEN],
    tag: [u8; TAG_LEN],
    // Everything but the tag: the value is opened where it lies.
    bytes: Vec<u8>,
}

impl Sealed {
    /// Takes a text apart. Errors: `TOKEN_MALFORMED`.
    pub fn parse(text: &str) -> Result<Sealed> {
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            return Err(malformed("the text does not begin with sr1."));
        };
        let mut bytes = from_base64url(encoded)?;
        let too_short = || malformed("the sealed text is too short: check that it was stored and read back whole");
        let (key_id, rest) = bytes.split_first_chunk::<ID_LEN>().ok_or_else(too_short)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(too_short)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(too_short)?;
        let (key_id, nonce, tag, length) = (KeyId::from_bytes(*key_id), *nonce, *tag, ciphertext.len());
        bytes.truncate(BODY_START + length);
        Ok(Sealed { key_id, nonce, tag, bytes })
    }

    /// The id of the key that it was sealed with: public, and not yet authenticated.
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Opens the value under its key and context. Errors: `NOT_AUTHENTIC`, with no sub-reason.
    pub fn open(self, key: &KeyMaterial, context: &Context<'_>) -> Result<SecretBytes> {
        let mut bytes = self.bytes;
        let body = bytes.get_mut(BODY_START..).unwrap_or_default();
        // The key id is part of the associated data, so an id that is not the key's own fails like any alteration.
        let (nonce, tag) = (Nonce::from(self.nonce), Tag::from(self.tag));
        let data = context.encode(&self.key_id);
        let opened = key.sealer().decrypt_inout_detached(&nonce, &data, body.into(), &tag);
        if opened.is_err() || self.key_id != key.id() {
            bytes.zeroize();
            return Err(Error::not_authentic());
        }
        Ok(SecretBytes::tail(bytes, BODY_START))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Purpose;
    use crate::encoding::base64url;
    use crate::entropy::testing::Seeded;
    use alloc::boxed::Box;
    use zeroize::Zeroizing;

    fn key(byte: u8) -> KeyMaterial {
        KeyMaterial::derive(Box::new(Zeroizing::new([byte; 32])))
    }

    fn context() -> Context<'static> {
        Context {
            purpose: Purpose::Secret,
            vault_id: Some(&[1; 16]),
            namespace: Some("nexus"),
            name: Some("token"),
            uid: Some(&[2; 16]),
            version: Some(3),
            associated_data: Some(b"row 7"),
        }
    }

    fn open(text: &str, key: &KeyMaterial, context: &Context<'_>) -> Result<SecretBytes> {
        Sealed::parse(text)?.open(key, context)
    }

    #[test]
    fn a_value_opens_in_its_own_context_and_in_no_other() {
        let text = seal(&key(1), &mut Seeded::new(1), &context(), b"hunter2").unwrap();
        assert_eq!(open(&text, &key(1), &context()).unwrap().expose(), b"hunter2");
        let others = [
            Context { purpose: Purpose::Pending, ..context() },
            Context { vault_id: Some(&[9; 16]), ..context() },
            Context { vault_id: None, ..context() },
            Context { namespace: Some("nexus2"), ..context() },
            Context { name: Some(""), ..context() },
            Context { name: None, ..context() },
            Context { uid: Some(&[9; 16]), ..context() },
            Context { version: Some(4), ..context() },
            Context { associated_data: Some(b""), ..context() },
            Context { associated_data: None, ..context() },
            // The same octets, otherwise divided among the fields.
            Context { namespace: Some("nexust"), name: Some("oken"), ..context() },
        ];
        for other in others {
            assert_eq!(open(&text, &key(1), &other).unwrap_err(), Error::not_authentic(), "{other:?}");
        }
        assert_eq!(open(&text, &key(2), &context()).unwrap_err(), Error::not_authentic());
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let text = seal(&key(1), &mut Seeded::new(1), &context(), b"hunter2").unwrap();
        let bytes = from_base64url(&text[PREFIX.len()..]).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let altered = String::from(PREFIX) + &base64url(&altered);
            assert_eq!(open(&altered, &key(1), &context()).unwrap_err().code(), ErrorCode::NotAuthentic, "bit {bit}");
        }
        for length in 0..text.len() {
            let code = open(&text[..length], &key(1), &context()).unwrap_err().code();
            assert!(matches!(code, ErrorCode::TokenMalformed | ErrorCode::NotAuthentic), "{length}: {code}");
        }
    }

    #[test]
    fn one_value_has_one_text() {
        let text = seal(&key(1), &mut Seeded::new(1), &context(), b"hunter2").unwrap();
        for altered in [text.clone() + "=", text.clone() + "\n", text.replace('_', "/"), text[..text.len() - 1].into()]
        {
            if altered != text {
                assert_eq!(open(&altered, &key(1), &context()).unwrap_err().code(), ErrorCode::TokenMalformed);
            }
        }
    }

    #[test]
    fn an_empty_value_is_a_value() {
        let text = seal(&key(1), &mut Seeded::new(1), &context(), b"").unwrap();
        assert!(open(&text, &key(1), &context()).unwrap().is_empty());
    }
}
