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
    let is_set = |text: &str| !text.trim().is_empty();
    let file = match key_file.filter(|path| is_set(path)) {
        // Both set is an error whatever is in the file, which is then not read.
        Some(_) if key.is_some_and(is_set) => Some(Zeroizing::new(String::new())),
        Some(path) => Some(read_key_file(path.trim())?),
        None => None,
    };
    Keyring::from_environment(&Environment { key, file: file.as_ref().map(|text| text.as_str()) })
}

fn read_key_file(path: &str) -> Result<Zeroizing<String>> {
    let unreadable = |why: &str| {
        let message = format!("Encryption not configured: the file that {KEY_FILE_VARIABLE} names {why}");
        Error::new(ErrorCode::NotConfigured, message)
    };
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
