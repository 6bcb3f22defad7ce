//! Key text: `srk1.` and base64url of `material[32] checksum[4]`, and the plain encodings that other programs use.

use crate::crypto::{KEY_LEN, KeyMaterial};
use crate::encoding::from_hex;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What self-describing key text begins with.
pub const KEY_TEXT_PREFIX: &str = "srk1.";

const CHECKSUM_DOMAIN: &str = "strongroom/v1/key-text";
const CHECKSUM_LEN: usize = 4;
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_encode_padding(false);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Reads one key. The error says what was seen, to complete the sentence "key N ...".
pub(super) fn parse_key(text: &str) -> Result<KeyMaterial, Cow<'static, str>> {
    if let Some(encoded) = text.strip_prefix(KEY_TEXT_PREFIX) {
        return parse_self_describing(encoded);
    }
    let characters = text.chars().count();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()) && characters != 43 {
        let raw = from_hex::<KEY_LEN>(text).map(|raw| Box::new(Zeroizing::new(raw)));
        return raw.map(KeyMaterial::derive).ok_or_else(|| format!("is {characters} hex digits, not 64").into());
    }
    // Into a buffer of our own, which is wiped also when decoding fails half-way.
    let mut buffer = Zeroizing::new(vec![0u8; text.len()]);
    let decoded = STANDARD.decode_slice(text, &mut buffer).or_else(|_| URL_SAFE.decode_slice(text, &mut buffer));
    let Some(decoded) = decoded.ok().and_then(|length| buffer.get(..length)) else {
        return Err(format!("is {characters} characters that are neither base64 nor hex").into());
    };
    let raw: &[u8; KEY_LEN] =
        decoded.try_into().map_err(|_| format!("is base64 of {} bytes, not 32", decoded.len()))?;
    Ok(KeyMaterial::derive(Box::new(Zeroizing::new(*raw))))
}

fn parse_self_describing(encoded: &str) -> Result<KeyMaterial, Cow<'static, str>> {
    let raw = read_checked(encoded, CHECKSUM_DOMAIN);
    raw.map(KeyMaterial::derive).ok_or("is srk1 text that was altered or cut: its checksum does not match".into())
}

/// What stands after the prefix of self-describing text: base64url of `raw[32] checksum[4]`. `None` when it was altered or
/// cut, or is of another kind of key.
pub(super) fn read_checked(encoded: &str, domain: &str) -> Option<Box<Zeroizing<[u8; KEY_LEN]>>> {
    let decoded = Zeroizing::new(crate::encoding::from_base64url(encoded).ok()?);
    let (raw, sum) = decoded.split_first_chunk::<KEY_LEN>()?;
    (sum == checksum(raw, domain)).then(|| Box::new(Zeroizing::new(*raw)))
}

/// Writes one key as self-describing text.
pub(super) fn write_key(key: &KeyMaterial) -> Zeroizing<String> {
    write_checked(key.raw(), KEY_TEXT_PREFIX, CHECKSUM_DOMAIN)
}

/// The same of any kind of key.
pub(super) fn write_checked(raw: &[u8; KEY_LEN], prefix: &str, domain: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; KEY_LEN + CHECKSUM_LEN]);
    let (start, sum) = bytes.split_at_mut(KEY_LEN);
    start.copy_from_slice(raw);
    sum.copy_from_slice(&checksum(raw, domain));
    // Sized beforehand: a buffer that grew would leave its old self behind.
    let mut text = Zeroizing::new(String::with_capacity(64));
    text.push_str(prefix);
    URL_SAFE.encode_string(bytes.as_slice(), &mut text);
    text
}

/// Finds copying mistakes; unkeyed, since whoever has the text has the key.
fn checksum(raw: &[u8; KEY_LEN], domain: &str) -> [u8; CHECKSUM_LEN] {
    let digest = Sha256::new().chain_update(domain).chain_update(raw).finalize();
    digest.first_chunk().copied().unwrap_or_default()
}
