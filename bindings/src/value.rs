//! An application's own data, as hosts name its formats.

use strongroom::crypto::Format;
use strongroom::keyring::Decrypted;
use strongroom::{Keyring, Result};

/// Decrypts a value in any format, or in those alone that are named.
///
/// Errors: those of [`Keyring::decrypt_only`]; `INVALID_ARGUMENT` for a format that is not known.
pub fn decrypt(
    keyring: &Keyring,
    text: &str,
    associated_data: Option<&[u8]>,
    formats: Option<&[String]>,
) -> Result<Decrypted> {
    let Some(formats) = formats else { return keyring.decrypt(text, associated_data) };
    let formats = formats.iter().map(|name| Format::from_name(name)).collect::<Result<Vec<_>>>()?;
    keyring.decrypt_only(&formats, text, associated_data)
}

/// Which format a value is in and which key opens it, as JSON: `{"format", "key_id"}`. Errors: those of
/// [`Keyring::decrypt`].
pub fn inspect(keyring: &Keyring, text: &str, associated_data: Option<&[u8]>) -> Result<String> {
    let Decrypted { format, key_id, .. } = keyring.decrypt(text, associated_data)?;
    Ok(format!("{{\"format\":\"{}\",\"key_id\":\"{}\"}}", format.name(), key_id.to_hex()))
}
