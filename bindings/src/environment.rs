//! The keyring of a process, for hosts that have an environment and files.

use strongroom::keyring::{Environment, KEY_FILE_VARIABLE, Keyring};
use strongroom::{Error, ErrorCode, Result};
use zeroize::Zeroizing;

/// The largest key file that is read, in bytes.
const KEY_FILE_MAX: u64 = 64 * 1024;

/// A keyring from the values of `ENCRYPTION_KEY` and `ENCRYPTION_KEY_FILE`, as the host found them.
///
/// Errors: those of [`Keyring::from_environment`]; `NOT_CONFIGURED` when the file cannot be read.
pub fn keyring_from_environment(key: Option<&str>, key_file: Option<&str>) -> Result<Keyring> {
    let file = file_of(key, key_file, KEY_FILE_VARIABLE)
        .map_err(|error| Error::new(error.code(), format!("Encryption not configured: {}", error.message())))?;
    Keyring::from_environment(&Environment { key, file: file.as_ref().map(|text| text.as_str()) })
}

/// The text of the file that a variable names, if that is set. Errors: `NOT_CONFIGURED` when it cannot be read.
pub(crate) fn file_of(key: Option<&str>, key_file: Option<&str>, variable: &str) -> Result<Option<Zeroizing<String>>> {
    let is_set = |text: &str| !text.trim().is_empty();
    match key_file.filter(|path| is_set(path)) {
        // Both set is an error whatever is in the file, which is then not read.
        Some(_) if key.is_some_and(is_set) => Ok(Some(Zeroizing::new(String::new()))),
        Some(path) => read_key_file(path.trim(), variable).map(Some),
        None => Ok(None),
    }
}

fn read_key_file(path: &str, variable: &str) -> Result<Zeroizing<String>> {
    let unreadable = |why: &str| Error::new(ErrorCode::NotConfigured, format!("the file that {variable} names {why}"));
    let metadata =
        std::fs::metadata(path).map_err(|error| unreadable(&format!("cannot be read ({})", error.kind())))?;
    if !metadata.is_file() || metadata.len() > KEY_FILE_MAX {
        return Err(unreadable("is not a key file: it must be a file of at most 64 KiB"));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(&format!("cannot be read ({})", error.kind())))?;
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        unreadable("is not text")
    })
}
