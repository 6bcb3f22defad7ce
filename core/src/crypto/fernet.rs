//! Fernet tokens: version `0x80`, timestamp, IV, AES-128-CBC ciphertext, HMAC-SHA256 (the Fernet specification).
//!
//! The MAC is checked over the whole token before anything is decrypted.

use super::malformed;
use crate::encoding::base64url_padded;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use aes::Aes128;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit};
use cbc::{Decryptor, Encryptor};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// What every token begins with, since its timestamp is less than 2^42.
pub const PREFIX: &str = "gAAAA";

/// The length of an initialisation vector in bytes.
pub const IV_LEN: usize = 16;

const VERSION: u8 = 0x80;
const HEADER_LEN: usize = 1 + 8 + IV_LEN;
const BLOCK_LEN: usize = 16;
const MAC_LEN: usize = 32;

/// How far in the future a token's time may lie when it is checked, in seconds.
const MAX_CLOCK_SKEW: u64 = 60;

/// A Fernet key with its ciphers set up, once for all tokens. Wiped on drop; never shown.
pub struct FernetKey(Box<Schedules>);

// Boxed, so that moving a key leaves no copy behind.
struct Schedules {
    signing: Hmac<Sha256>,
    encryption: Aes128,
}

impl FernetKey {
    /// From 32 bytes: the first half signs, the second half encrypts.
    pub fn derive(raw: &[u8; 32]) -> FernetKey {
        // HMAC (RFC 2104) fills short keys up with zeros to its block.
        let mut signing_key = Zeroizing::new([0u8; 64]);
        let mut encryption_key = Zeroizing::new([0u8; 16]);
        let (signing_half, encryption_half) = raw.split_at(16);
        signing_key.iter_mut().zip(signing_half).for_each(|(to, from)| *to = *from);
        encryption_key.iter_mut().zip(encryption_half).for_each(|(to, from)| *to = *from);
        let signing = Hmac::new((&*signing_key).into());
        let encryption = Aes128::new((&*encryption_key).into());
        FernetKey(Box::new(Schedules { signing, encryption }))
    }

    /// Makes a token with a random IV; `timestamp` is in seconds since the epoch. Errors: `ENTROPY_FAILED`.
    pub fn encrypt(&self, entropy: &mut dyn Entropy, timestamp: u64, plaintext: &[u8]) -> Result<Token> {
        self.encrypt_with_iv(&make_bytes(entropy)?, timestamp, plaintext)
    }

    /// Makes the token of an IV, which must be random and never used again: for test vectors and for compatible APIs.
    ///
    /// Errors: `VALUE_INVALID`, for no length that fits in memory.
    pub fn encrypt_with_iv(&self, iv: &[u8; IV_LEN], timestamp: u64, plaintext: &[u8]) -> Result<Token> {
        let padded_len = plaintext.len() - plaintext.len() % BLOCK_LEN + BLOCK_LEN;
        let mut bytes = Vec::with_capacity(HEADER_LEN + padded_len + MAC_LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(iv);
        bytes.extend_from_slice(plaintext);
        bytes.resize(HEADER_LEN + padded_len, 0);
        let body = bytes.get_mut(HEADER_LEN..).unwrap_or_default();
        let cipher = Encryptor::inner_iv_init(&self.0.encryption, iv.into());
        if cipher.encrypt_padded::<Pkcs7>(body, plaintext.len()).is_err() {
            bytes.zeroize();
            return Err(Error::new(ErrorCode::ValueInvalid, "the value is too long to be encrypted"));
        }
        let mac = self.0.signing.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        Ok(Token { bytes })
    }

    /// Whether the bytes of a token, or what claims to be one, end in the MAC of what stands before.
    pub fn has_signed(&self, bytes: &[u8]) -> bool {
        let Some((signed, mac)) = bytes.split_last_chunk::<MAC_LEN>() else { return false };
        self.0.signing.clone().chain_update(signed).verify_slice(mac).is_ok()
    }

    /// Decrypts the bytes of a token, whatever its time. Nothing when the MAC, the padding or the length is wrong.
    pub fn decrypt(&self, bytes: Vec<u8>) -> Option<SecretBytes> {
        if self.has_signed(&bytes) { self.decrypt_signed(bytes) } else { None }
    }

    fn decrypt_signed(&self, mut bytes: Vec<u8>) -> Option<SecretBytes> {
        let signed_len = bytes.len().checked_sub(MAC_LEN)?;
        let (header, ciphertext) = bytes.get_mut(..signed_len)?.split_at_mut_checked(HEADER_LEN)?;
        let iv: &[u8; IV_LEN] = header.last_chunk()?;
        let cipher = Decryptor::inner_iv_init(&self.0.encryption, iv.into());
        match cipher.decrypt_padded::<Pkcs7>(ciphertext).map(<[u8]>::len) {
            Ok(length) => {
                bytes.truncate(HEADER_LEN + length);
                Some(SecretBytes::tail(bytes, HEADER_LEN))
            }
            Err(_) => {
                bytes.zeroize();
                None
            }
        }
    }
}

impl core::fmt::Debug for FernetKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FernetKey").finish_non_exhaustive()
    }
}

/// The bytes of a token's text, when that is canonical base64url: one text for one token. No more than that is checked.
///
/// ```
/// use strongroom::crypto::fernet::decode;
/// assert_eq!(decode(b"gAAA"), Some(vec![0x80, 0, 0]));
/// assert_eq!((decode(b"gAA"), decode(b"gAA+"), decode(b"gAA\n")), (None, None, None));
/// ```
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).ok()
}

/// A check of a token's time: it must not be older than `ttl`, nor come from more than a minute ahead.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// The present, in seconds since the epoch.
    pub now: u64,
    /// The longest age in seconds.
    pub ttl: u64,
}

/// A token in one piece but not decrypted: it can be tried under several keys.
///
/// ```
/// use strongroom::crypto::fernet::{FernetKey, Token};
/// let key = FernetKey::derive(&[7; 32]);
/// let text = key.encrypt_with_iv(&[1; 16], 499_162_800, b"hello")?.to_text();
/// let token = Token::parse(&text)?;
/// assert_eq!(token.timestamp(), 499_162_800);
/// assert_eq!(token.decrypt(&key, None)?.expose(), b"hello");
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    // INVARIANT: a header, any number of whole blocks, a MAC; the first byte is the version.
    bytes: Vec<u8>,
}

impl Token {
    /// Reads a text. Errors: `TOKEN_MALFORMED`.
    pub fn parse(text: &str) -> Result<Token> {
        let not_a_token = || malformed("the text is no Fernet token: check that it was stored and read back whole");
        let bytes = decode(text.trim_ascii().as_bytes()).ok_or_else(not_a_token)?;
        let body = bytes.len().checked_sub(HEADER_LEN + MAC_LEN).ok_or_else(not_a_token)?;
        if bytes.first() != Some(&VERSION) || body % BLOCK_LEN != 0 {
            return Err(not_a_token());
        }
        Ok(Token { bytes })
    }

    /// When the token was made, in seconds since the epoch. Not authentic until [`Token::decrypt`] has succeeded.
    pub fn timestamp(&self) -> u64 {
        let time = self.bytes.get(1..9).and_then(|time| time.first_chunk());
        time.copied().map_or(0, u64::from_be_bytes)
    }

    /// The token as text: base64url with padding.
    pub fn to_text(&self) -> String {
        base64url_padded(&self.bytes)
    }

    /// Decrypts under a key. Errors: `NOT_AUTHENTIC`, with no sub-reason.
    pub fn decrypt(&self, key: &FernetKey, validity: Option<Validity>) -> Result<SecretBytes> {
        let is_valid = validity.is_none_or(|Validity { now, ttl }| {
            let too_old = self.timestamp().saturating_add(ttl) < now;
            let too_new = now.saturating_add(MAX_CLOCK_SKEW) < self.timestamp();
            !(too_old || too_new)
        });
        if !is_valid || !key.has_signed(&self.bytes) {
            return Err(Error::not_authentic());
        }
        key.decrypt_signed(self.bytes.clone()).ok_or_else(Error::not_authentic)
    }
}
