//! A verified copy of a document.

use super::place::{Replacing, exists, opened, sync_folder};
use super::{failed, read_rest};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use strongroom::store::Document;
use strongroom::{Error, ErrorCode, Result};

/// What becomes of a file that is there already, where a backup is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the backup is refused.
    Refuse,
    /// The backup takes its name, once it is whole.
    Replace,
}

pub(super) fn backup(from: &Path, to: &Path, existing: Existing, limit: usize) -> Result<String> {
    let invalid = |message: &'static str| Error::new(ErrorCode::InvalidArgument, message);
    let to = std::path::absolute(to).ok().filter(|to| to.file_name().is_some());
    let to = to.ok_or_else(|| invalid("the path of the backup has no file's name at its end"))?;
    let missing = || Error::new(ErrorCode::StorageFailed, format!("Failed to load secrets: {from:?} is not there"));
    let file = opened(from)?.ok_or_else(missing)?;
    let metadata = file.metadata().map_err(|error| failed("the file could not be read", from, &error))?;
    if let Ok(there) = fs::symlink_metadata(&to) {
        if (there.dev(), there.ino()) == (metadata.dev(), metadata.ino()) {
            return Err(invalid("a backup of a file in its own place is none: choose another name"));
        }
        if existing == Existing::Refuse || !there.is_file() {
            return Err(exists(&to));
        }
    }
    let mut text = Vec::new();
    read_rest(&file, &mut text, limit).map_err(|error| failed("the file could not be read", from, &error))?;
    let sha256 = Document::verify(&text, limit)?;
    let copy = Replacing::write(&to, &text, None)?;
    let mut read_back = Vec::new();
    File::open(copy.path())
        .and_then(|file| read_rest(&file, &mut read_back, limit))
        .map_err(|error| failed("the copy could not be read back", &to, &error))?;
    if read_back != text {
        let message = format!("the copy is not what was written: look at the disk of {to:?}");
        return Err(Error::new(ErrorCode::StorageFailed, message));
    }
    let named = match existing {
        Existing::Refuse => copy.take_free_name(),
        Existing::Replace => copy.take_name().map(|()| true),
    };
    if !named.map_err(|failed| failed.cause)? {
        return Err(exists(&to));
    }
    sync_folder(&to)?;
    Ok(sha256)
}
