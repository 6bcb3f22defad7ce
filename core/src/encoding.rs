//! The canonical encoding: how structured facts become the bytes that are authenticated.
//!
//! A message is a domain and then fields. Each is a presence octet (0 absent, 1 present) and, when present, a length of
//! eight octets, big-endian, and that many octets. Integers are fields of eight octets, big-endian. So no two lists of
//! fields encode alike, and an absent field is not an empty one. `docs/format.md` specifies it byte by byte.

use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurposeConfig, NO_PAD, PAD, STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

/// Writes the canonical encoding into a buffer.
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    /// Starts with the domain, which keeps messages of different kinds apart.
    pub(crate) fn new(domain: &str) -> Self {
        let mut encoder = Encoder(Vec::with_capacity(256));
        encoder.field(domain.as_bytes());
        encoder
    }

    pub(crate) fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.push(1);
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.field(bytes),
            None => {
                self.0.push(0);
                self
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    pub(crate) fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        self.optional(text.map(str::as_bytes))
    }

    pub(crate) fn integer(&mut self, integer: u64) -> &mut Self {
        self.field(&integer.to_be_bytes())
    }

    pub(crate) fn optional_integer(&mut self, integer: Option<u64>) -> &mut Self {
        self.optional(integer.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('?', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Exactly `N` bytes from `2 N` hex digits of either case.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0u8; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok())?;
            *byte = (*byte << 4) | value;
        }
    }
    Some(bytes)
}

/// Base64url without padding, as RFC 4648 section 5 has it.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same with padding.
pub(crate) fn base64url_padded(bytes: &[u8]) -> String {
    match vectors(bytes.len(), PAD) {
        Some(engine) => engine.encode(bytes),
        None => URL_SAFE.encode(bytes),
    }
}

/// What writes so many bytes by the CPU's vector instructions. Nothing is read that way: what others give goes through
/// code without `unsafe`.
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn vectors(length: usize, config: GeneralPurposeConfig) -> Option<base64::engine::Simd> {
    // For less, to set the engine up takes as long as it saves.
    const MANY: usize = 256;
    (length >= MANY).then(|| base64::engine::Simd::url_safe(config))
}

#[cfg(not(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn vectors(_length: usize, _config: GeneralPurposeConfig) -> Option<base64::engine::GeneralPurpose> {
    None
}

/// A prefix and base64url of `length` bytes that `fill` writes, all in one buffer: bytes of any size are held once.
///
/// Errors: those of `fill`; what it has written is wiped then.
pub(crate) fn base64url_after(
    prefix: &str,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<String> {
    let mut text = vec![0u8; prefix.len() + (length * 4).div_ceil(3)];
    // The bytes lie at the end and are encoded from the start on: what is written never overtakes what is yet to be read.
    let start = text.len() - length;
    if let Err(error) = fill(text.get_mut(start..).unwrap_or_default()) {
        text.zeroize();
        return Err(error);
    }
    match vectors(length, NO_PAD) {
        Some(engine) => encode_in_place(&engine, &mut text, start, prefix.len()),
        None => encode_in_place(&URL_SAFE_NO_PAD, &mut text, start, prefix.len()),
    }
    text.iter_mut().zip(prefix.as_bytes()).for_each(|(to, from)| *to = *from);
    // INVARIANT: base64url is ASCII.
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// Encodes what stands from `start` to the end, to `end` and on.
fn encode_in_place(engine: &impl Engine, text: &mut [u8], start: usize, mut end: usize) {
    // A multiple of three, so that pieces encode as the whole would.
    const PIECE: usize = 768;
    let mut piece = [0u8; PIECE];
    for from in (start..text.len()).step_by(PIECE) {
        let bytes = text.get(from..text.len().min(from + PIECE)).unwrap_or_default();
        let piece = piece.get_mut(..bytes.len()).unwrap_or_default();
        piece.copy_from_slice(bytes);
        let rest = text.get_mut(end..).unwrap_or_default();
        end += engine.encode_slice(&*piece, rest).unwrap_or_default();
    }
}

/// How long base64 with padding is of so many bytes.
pub(crate) fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Appends base64 with padding, as RFC 4648 section 4 has it, to text that has room for it.
pub(crate) fn base64_append(bytes: &[u8], text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start + base64_length(bytes.len()), 0);
    // INVARIANT: there is exactly as much room as is written.
    let written = STANDARD.encode_slice(bytes, text.get_mut(start..).unwrap_or_default());
    debug_assert!(written.is_ok());
}

/// The reverse, strict, into a buffer that is wiped however it ends.
pub(crate) fn from_base64(text: &[u8]) -> Option<SecretBytes> {
    let mut bytes = Zeroizing::new(vec![0u8; text.len().div_ceil(4) * 3]);
    let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(SecretBytes::new(core::mem::take(&mut *bytes)))
}

/// The reverse of [`base64url`], strict: one text for one value, no padding, no stray bits.
pub(crate) fn from_base64url(text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| {
        Error::new(ErrorCode::TokenMalformed, "the text is not base64url: check that it was stored and read back whole")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_as_specified() {
        let mut encoder = Encoder::new("d");
        encoder.optional(None).text("").integer(258);
        let expected = [
            &[1, 0, 0, 0, 0, 0, 0, 0, 1, b'd'][..],
            &[0],
            &[1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2],
        ]
        .concat();
        assert_eq!(encoder.finish(), expected);
    }

    #[test]
    fn fields_do_not_run_together() {
        let encode = |fields: &[&str]| {
            let mut encoder = Encoder::new("x");
            fields.iter().for_each(|field| {
                encoder.text(field);
            });
            encoder.finish()
        };
        assert_ne!(encode(&["ab", "c"]), encode(&["a", "bc"]));
        assert_ne!(encode(&["ab"]), encode(&["ab", ""]));
    }

    #[test]
    fn text_made_in_one_buffer_is_as_any_other_at_every_length() {
        for length in (0..800).chain([1535, 1536, 1537, 4000, 10_001]) {
            let bytes: Vec<u8> = (0..length).map(|index| (index * 7 % 251) as u8).collect();
            assert_eq!(base64url_padded(&bytes), URL_SAFE.encode(&bytes), "{length}");
            let text = base64url_after("sr1.", length, |to| {
                to.copy_from_slice(&bytes);
                Ok(())
            });
            assert_eq!(text.unwrap(), String::from("sr1.") + &base64url(&bytes), "{length}");
        }
        let failing = base64url_after("sr1.", 3, |_| Err(Error::not_authentic()));
        assert_eq!(failing.unwrap_err(), Error::not_authentic());
    }

    #[test]
    fn hex_goes_both_ways_and_refuses_the_rest() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(from_hex::<3>("00aBFf"), Some([0, 0xab, 0xff]));
        for text in ["00abf", "00abfg", "00abff00", "00abf\u{e9}"] {
            assert_eq!(from_hex::<3>(text), None, "{text}");
        }
    }
}
