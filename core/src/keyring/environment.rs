//! The keyring that a process finds in its environment. The host reads; the rules are here, once.

use super::Keyring;
use crate::error::{Error, ErrorCode, Result};
use alloc::format;

/// The variable that holds the key, or several.
pub const KEY_VARIABLE: &str = "ENCRYPTION_KEY";

/// The variable that names a file which holds them.
pub const KEY_FILE_VARIABLE: &str = "ENCRYPTION_KEY_FILE";

/// What the host found. `Debug` is absent on purpose: the fields hold keys.
#[derive(Default)]
pub struct Environment<'a> {
    /// The text of `ENCRYPTION_KEY`, if it is set.
    pub key: Option<&'a str>,
    /// The text of the file that `ENCRYPTION_KEY_FILE` names, if that is set.
    pub file: Option<&'a str>,
}

impl Keyring {
    /// The keyring of a process: `ENCRYPTION_KEY`, or the file that `ENCRYPTION_KEY_FILE` names.
    ///
    /// Both set is an error, since a wrong key must never be picked silently. Surrounding white space does not count, and
    /// an empty variable is not set. Never generates a key. Errors: `NOT_CONFIGURED`, `KEY_INVALID`, `INVALID_ARGUMENT`.
    ///
    /// ```
    /// use strongroom::keyring::{Environment, Keyring};
    /// let error = Keyring::from_environment(&Environment::default()).unwrap_err();
    /// assert_eq!(error.code().name(), "NOT_CONFIGURED");
    /// ```
    pub fn from_environment(environment: &Environment<'_>) -> Result<Keyring> {
        let key = environment.key.map(str::trim).filter(|text| !text.is_empty());
        match (key, environment.file) {
            (Some(_), Some(_)) => Err(Error::new(
                ErrorCode::InvalidArgument,
                format!(
                    "Encryption not configured: {KEY_VARIABLE} and {KEY_FILE_VARIABLE} are both set; unset one of them"
                ),
            )),
            (Some(text), None) => Keyring::parse(text).map_err(|error| in_place(&error, KEY_VARIABLE)),
            (None, Some(text)) => Keyring::parse(text).map_err(|error| in_place(&error, KEY_FILE_VARIABLE)),
            (None, None) => Err(not_configured("ENCRYPTION_KEY is not set")),
        }
    }
}

fn in_place(error: &Error, variable: &str) -> Error {
    if error.code() == ErrorCode::NotConfigured {
        return not_configured(&format!("{variable} holds no key"));
    }
    Error::new(error.code(), format!("Encryption not configured: in {variable}, {}", error.message()))
}

pub(super) fn not_configured(why: &str) -> Error {
    let message = format!(
        "Encryption not configured: {why}; make a key with `openssl rand -base64 32`, set ENCRYPTION_KEY, and restart"
    );
    Error::new(ErrorCode::NotConfigured, message)
}
