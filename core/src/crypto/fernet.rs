//! Fernet tokens, read: version `0x80`, timestamp, IV, AES-128-CBC ciphertext, HMAC-SHA256 (the Fernet specification).
//!
//! The MAC is checked over the whole token before anything is decrypted.

use super::{KeyMaterial, malformed};
use crate::error::{Error, Result};
use crate::secret::SecretBytes;
use aes::Aes128;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

/// What every token begins with, since its timestamp is less than 2^42.
pub const PREFIX: &str = "gAAAA";

const VERSION: u8 = 0x80;
const HEADER_LEN: usize = 1 + 8 + 16;
const MAC_LEN: usize = 32;

/// How far in the future a token's time may lie when it is checked, in seconds.
const MAX_CLOCK_SKEW: u64 = 60;

/// A check of a token's time: it must not be older than `ttl`, nor come from more than a minute ahead.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// The present, in seconds since the epoch.
    pub now: u64,
    /// The longest age in seconds.
    pub ttl: u64,
}

/// A token taken apart but not decrypted: it can be tried under several keys.
pub struct Token {
    bytes: Vec<u8>,
    timestamp: u64,
}

impl Token {
    /// Takes a text apart. Errors: `TOKEN_MALFORMED`.
    pub fn parse(text: &str) -> Result<Token> {
        let not_a_token = || malformed("the text is no Fernet token: check that it was stored and read back whole");
        let bytes = URL_SAFE.decode(text.trim_ascii()).map_err(|_| not_a_token())?;
        let timestamp = bytes.split_first_chunk::<9>().map(|(start, _)| *start);
        let Some([VERSION, timestamp @ ..]) = timestamp else {
            return Err(not_a_token());
        };
        let body = bytes.len().checked_sub(HEADER_LEN + MAC_LEN).ok_or_else(not_a_token)?;
        if body % 16 != 0 {
            return Err(not_a_token());
        }
        Ok(Token { bytes, timestamp: u64::from_be_bytes(timestamp) })
    }

    /// When the token was made, in seconds since the epoch. Not authentic until [`Token::decrypt`] has succeeded.
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Decrypts under raw key material: its first half signs, its second half encrypts. Errors: `NOT_AUTHENTIC`.
    pub fn decrypt(&self, key: &KeyMaterial, validity: Option<Validity>) -> Result<SecretBytes> {
        self.decrypt_parts(key, validity).ok_or_else(Error::not_authentic)
    }

    fn decrypt_parts(&self, key: &KeyMaterial, validity: Option<Validity>) -> Option<SecretBytes> {
        let (signing_key, encryption_key) = key.raw().split_first_chunk::<16>()?;
        let encryption_key: &[u8; 16] = encryption_key.try_into().ok()?;
        let (signed, mac) = self.bytes.split_last_chunk::<MAC_LEN>()?;
        Hmac::<Sha256>::new_from_slice(signing_key).ok()?.chain_update(signed).verify_slice(mac).ok()?;
        if let Some(Validity { now, ttl }) = validity {
            let too_old = self.timestamp.saturating_add(ttl) < now;
            let too_new = now.saturating_add(MAX_CLOCK_SKEW) < self.timestamp;
            if too_old || too_new {
                return None;
            }
        }
        let (header, ciphertext) = signed.split_first_chunk::<HEADER_LEN>()?;
        let iv: &[u8; 16] = header.last_chunk()?;
        let mut buffer = ciphertext.to_vec();
        let cipher = Decryptor::<Aes128>::new(encryption_key.into(), iv.into());
        let plaintext = cipher.decrypt_padded::<Pkcs7>(&mut buffer).ok().map(SecretBytes::copy_of);
        buffer.zeroize();
        plaintext
    }
}
