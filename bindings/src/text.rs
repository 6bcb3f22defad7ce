//! Values as text, for hosts whose strings are Unicode.

use strongroom::{Error, ErrorCode, Result, SecretBytes};

/// A value as text. Errors: `VALUE_INVALID` when it is not UTF-8.
pub fn revealed_text(value: &SecretBytes) -> Result<&str> {
    // EXPOSE: the host asked for it by name.
    std::str::from_utf8(value.expose())
        .map_err(|_| Error::new(ErrorCode::ValueInvalid, "the value is not text: take it as bytes"))
}
