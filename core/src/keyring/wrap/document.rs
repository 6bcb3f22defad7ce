//! The text of a wrapped keyring: `srw1.` and base64url of a canonical message and its SHA-256.
//!
//! The checksum is no MAC. It tells a text that was altered or cut by accident from a passphrase that is wrong, before any
//! passphrase is tried; what somebody alters on purpose fails to open.

use super::passphrase::PassphraseCost;
use super::{Door, HOST_WRAP_MAX, WRAPS_MAX, Wrap, WrappedKeyring, too_many_wraps};
use crate::crypto::sealed::Sealed;
use crate::encoding::{Encoder, base64url, from_base64url};
use crate::error::{Error, ErrorCode, Result};
use crate::keyring::fields::Fields;
use crate::keyring::life::parse_label;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// What the text of a wrapped keyring begins with.
pub const WRAPPED_TEXT_PREFIX: &str = "srw1.";

/// The longest text of a wrapped keyring that is read, in bytes: more than the largest keyring with all wraps takes.
pub const WRAPPED_TEXT_MAX: usize = 1024 * 1024;

const DOMAIN: &str = "strongroom/v1/wrapped-keyring";
const CHECKSUM_LEN: usize = 32;
const PASSPHRASE: &str = "passphrase";
const HOST: &str = "host";

impl WrappedKeyring {
    /// The text to keep: one line of ASCII. Errors: `INVALID_ARGUMENT` while there is no wrap, since nothing could ever
    /// open it.
    pub fn to_text(&self) -> Result<String> {
        if self.wraps.is_empty() {
            let message =
                "the wrapped keyring has no wrap yet: add a passphrase, or what the host's wrap made of the data key";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let mut encoder = Encoder::new(DOMAIN);
        encoder.text(&self.sealed).integer(self.wraps.len() as u64);
        for wrap in &self.wraps {
            match &wrap.door {
                Door::Passphrase { cost, salt, sealed } => {
                    encoder.text(PASSPHRASE).text(&wrap.label);
                    for number in [cost.memory_kib(), cost.passes(), cost.lanes()] {
                        encoder.integer(number.into());
                    }
                    encoder.field(salt).text(sealed);
                }
                Door::Host { opaque } => {
                    encoder.text(HOST).text(&wrap.label).field(opaque);
                }
            }
        }
        let mut bytes = encoder.finish();
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        Ok(WRAPPED_TEXT_PREFIX.to_string() + &base64url(&bytes))
    }

    /// Reads the text; white space around it does not count. No passphrase is tried and no memory taken for one.
    ///
    /// Errors: `KEY_INVALID` for a text that is no wrapped keyring, or was altered or cut; `LIMIT_EXCEEDED` for one beyond
    /// 1 MiB or 32 wraps, or with a passphrase that would cost too much to try.
    pub fn parse(text: &str) -> Result<WrappedKeyring> {
        let text = text.trim_ascii();
        if text.len() > WRAPPED_TEXT_MAX {
            return Err(Error::new(ErrorCode::LimitExceeded, "a wrapped keyring has at most 1 MiB of text"));
        }
        let Some(encoded) = text.strip_prefix(WRAPPED_TEXT_PREFIX) else {
            let message =
                "the text is no wrapped keyring, which begins with srw1.: check that the right text was given";
            return Err(Error::new(ErrorCode::KeyInvalid, message));
        };
        let bytes = from_base64url(encoded).map_err(|_| altered())?;
        let (message, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or_else(altered)?;
        if Sha256::digest(message).as_slice() != checksum {
            return Err(altered());
        }
        let unreadable = |what: &str| {
            let message = format!("the wrapped keyring cannot be read: {what}; was it made by a newer version?");
            Error::new(ErrorCode::KeyInvalid, message)
        };
        let start = |fields: &mut Fields<'_>| Some((read_sealed(fields)?, fields.integer()?));
        let mut fields = Fields::of(message, DOMAIN).ok_or_else(|| unreadable("it is none"))?;
        let ((sealed, data_key_id), count) = start(&mut fields).ok_or_else(|| unreadable("it is cut"))?;
        if count > WRAPS_MAX as u64 {
            return Err(too_many_wraps());
        }
        let mut wraps: Vec<Wrap> = Vec::new();
        for number in 1..=count {
            let wrap = read_wrap(&mut fields);
            let wrap = wrap.ok_or_else(|| unreadable(&format!("wrap {number} is not understood")))??;
            if wraps.iter().any(|other| other.label == wrap.label) {
                return Err(unreadable(&format!("wrap {number} has the label of another one")));
            }
            wraps.push(wrap);
        }
        if wraps.is_empty() || !fields.rest().is_empty() {
            return Err(unreadable("it has no wraps, or something behind them"));
        }
        Ok(WrappedKeyring { sealed, data_key_id, wraps })
    }
}

/// `None` when it can't be read; an error for a cost out of bounds.
fn read_wrap(fields: &mut Fields<'_>) -> Option<Result<Wrap>> {
    let kind = fields.text()?;
    let label = parse_label("label", fields.text()?).ok()?;
    let door = match kind {
        PASSPHRASE => {
            let mut number = || fields.integer().map(|number| u32::try_from(number).unwrap_or(u32::MAX));
            let cost = match PassphraseCost::new(number()?, number()?, number()?) {
                Ok(cost) => cost,
                Err(error) => return Some(Err(error)),
            };
            Door::Passphrase { cost, salt: fields.array()?, sealed: read_sealed(fields)?.0 }
        }
        HOST => {
            let opaque = fields.octets().filter(|opaque| (1..=HOST_WRAP_MAX).contains(&opaque.len()))?;
            Door::Host { opaque: opaque.to_vec() }
        }
        _ => return None,
    };
    Some(Ok(Wrap { label, door }))
}

fn read_sealed(fields: &mut Fields<'_>) -> Option<(String, crate::crypto::KeyId)> {
    let text = fields.text()?;
    Some((text.to_string(), Sealed::parse(text).ok()?.key_id()))
}

fn altered() -> Error {
    let message = "the wrapped keyring was altered or cut: its checksum does not match; restore it from a copy";
    Error::new(ErrorCode::KeyInvalid, message)
}
