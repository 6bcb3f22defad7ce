//! AES-256-GCM as Node programs commonly write it: base64 of `iv[16] tag[16] ciphertext`, no associated data.
//!
//! Read as leniently as Node's `Buffer.from(text, "base64")` reads, so that whatever such a program could read back can
//! be read here; written canonically. Full 16-octet tags only.

use super::{KeyMaterial, malformed};
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use aes::Aes256;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{AesGcm, Nonce, Tag};
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize;

const IV_LEN: usize = 16;
const TAG_LEN: usize = 16;

type Cipher = AesGcm<Aes256, U16>;

/// Encrypts a value under raw key material and a random IV. Errors: `ENTROPY_FAILED`, `VALUE_INVALID`.
pub fn encrypt(key: &KeyMaterial, entropy: &mut dyn Entropy, plaintext: &[u8]) -> Result<String> {
    let iv: [u8; IV_LEN] = make_bytes(entropy)?;
    let mut bytes = Vec::with_capacity(IV_LEN + TAG_LEN + plaintext.len());
    bytes.extend_from_slice(&iv);
    bytes.extend_from_slice(&[0; TAG_LEN]);
    bytes.extend_from_slice(plaintext);
    let (head, body) = bytes.split_at_mut_checked(IV_LEN + TAG_LEN).unwrap_or_default();
    let cipher = Cipher::new(key.raw().into());
    let Ok(tag) = cipher.encrypt_inout_detached(&Nonce::from(iv), &[], body.into()) else {
        bytes.zeroize();
        return Err(Error::new(ErrorCode::ValueInvalid, "the value is too long to be encrypted"));
    };
    if let Some(place) = head.last_chunk_mut::<TAG_LEN>() {
        place.copy_from_slice(&tag);
    }
    Ok(STANDARD.encode(&bytes))
}

/// A text taken apart but not decrypted: it can be tried under several keys.
pub struct NodeGcm {
    iv: [u8; IV_LEN],
    tag: [u8; TAG_LEN],
    // Everything: the value is decrypted where it lies, in a copy.
    bytes: Vec<u8>,
}

impl NodeGcm {
    /// Takes a text apart. Errors: `TOKEN_MALFORMED` when it holds fewer than 32 bytes.
    pub fn parse(text: &str) -> Result<NodeGcm> {
        // Most texts are canonical, which is read faster.
        let bytes = STANDARD.decode(text).unwrap_or_else(|_| decode_leniently(text));
        let parts = bytes
            .split_first_chunk::<IV_LEN>()
            .and_then(|(iv, rest)| rest.split_first_chunk::<TAG_LEN>().map(|(tag, _)| (*iv, *tag)));
        let (iv, tag) = parts.ok_or_else(|| {
            malformed("the text is no encrypted value: it is neither sr1 text, a Fernet token, nor base64 of 32 bytes or more")
        })?;
        Ok(NodeGcm { iv, tag, bytes })
    }

    /// Decrypts under raw key material. Errors: `NOT_AUTHENTIC`.
    pub fn decrypt(&self, key: &KeyMaterial) -> Result<SecretBytes> {
        let mut bytes = self.bytes.clone();
        let body = bytes.get_mut(IV_LEN + TAG_LEN..).unwrap_or_default();
        let cipher = Cipher::new(key.raw().into());
        let (iv, tag) = (Nonce::from(self.iv), Tag::from(self.tag));
        if cipher.decrypt_inout_detached(&iv, &[], body.into(), &tag).is_err() {
            bytes.zeroize();
            return Err(Error::not_authentic());
        }
        Ok(SecretBytes::tail(bytes, IV_LEN + TAG_LEN))
    }
}

/// What a character stands for in either alphabet; `SKIPPED` for all others.
const fn value_of(character: u8) -> u8 {
    match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => SKIPPED,
    }
}

const SKIPPED: u8 = 64;

/// Base64 the way Node reads it: both alphabets at once, everything else skipped, an end at the first `=`, stray bits
/// dropped.
fn decode_leniently(text: &str) -> Vec<u8> {
    let values = text.bytes().take_while(|character| *character != b'=').map(value_of);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for value in values.filter(|value| *value != SKIPPED) {
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::testing::Seeded;
    use alloc::boxed::Box;
    use zeroize::Zeroizing;

    fn key(byte: u8) -> KeyMaterial {
        KeyMaterial::derive(Box::new(Zeroizing::new([byte; 32])))
    }

    #[test]
    fn a_value_opens_under_its_key_alone_however_loosely_it_is_written() {
        let text = encrypt(&key(1), &mut Seeded::new(1), b"sk_test_abc123").unwrap();
        let loose = [
            text.clone(),
            text.replace('+', "-").replace('/', "_"),
            text.replace('=', ""),
            text.clone() + "\r\n",
            alloc::format!(" {}\n{}", &text[..10], &text[10..]),
        ];
        for text in loose {
            let parsed = NodeGcm::parse(&text).unwrap();
            assert_eq!(parsed.decrypt(&key(1)).unwrap().expose(), b"sk_test_abc123", "{text}");
            assert_eq!(parsed.decrypt(&key(2)).unwrap_err(), Error::not_authentic());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let text = encrypt(&key(1), &mut Seeded::new(1), b"hunter2").unwrap();
        let bytes = STANDARD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let parsed = NodeGcm::parse(&STANDARD.encode(&altered)).unwrap();
            assert_eq!(parsed.decrypt(&key(1)).unwrap_err(), Error::not_authentic(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            match NodeGcm::parse(&STANDARD.encode(&bytes[..length])) {
                Ok(parsed) => assert_eq!(parsed.decrypt(&key(1)).unwrap_err(), Error::not_authentic()),
                Err(error) => assert_eq!((error.code(), length < 32), (ErrorCode::TokenMalformed, true)),
            }
        }
    }
}
