//! A file that is the owner's alone: how it is opened, and how another takes its name.

use super::failed;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use strongroom::flow::Applied;
use strongroom::store::CommitFailed;
use strongroom::{Error, ErrorCode};

type Result<T, E = Error> = std::result::Result<T, E>;

/// The owner may read and write; others nothing.
const OWNERS_ALONE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Opens the file to be read; nothing when there is none. Refuses what is no file, and what others can read or write.
pub(super) fn opened(path: &Path) -> Result<Option<File>> {
    let opened = || -> io::Result<Result<File>> {
        // Looked at before it is opened: to open a pipe is to wait for whoever writes into it.
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_file() {
            return Ok(Err(no_file(path, &metadata)));
        }
        let file = File::open(path)?;
        let mode = file.metadata()?.mode();
        Ok(if mode & OTHERS == 0 { Ok(file) } else { Err(readable_by_others(path, mode)) })
    };
    match opened() {
        Ok(opened) => opened.map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("the file could not be opened", path, &error)),
    }
}

fn no_file(path: &Path, metadata: &Metadata) -> Error {
    // To take the name of a link would leave what it leads to as it was, for all who read it there; and writers who go by
    // different names would not meet at one lock.
    let what = if metadata.is_symlink() { "is a link: name the file that it leads to" } else { "is no regular file" };
    Error::new(ErrorCode::StorageFailed, format!("Failed to load secrets: {path:?} {what}"))
}

fn readable_by_others(path: &Path, mode: u32) -> Error {
    let message = format!(
        "Failed to load secrets: others can read or write {path:?} (mode {:o}): look at who did, then `chmod 600` it",
        mode & 0o777
    );
    Error::new(ErrorCode::StorageFailed, message)
}

/// A new content, written beside the file whose name it is to take. It is gone when it did not take it.
pub(super) struct Replacing<'a> {
    to: &'a Path,
    at: PathBuf,
    /// Held under a lock, by which others see that its writer lives.
    file: File,
}

impl<'a> Replacing<'a> {
    /// Writes a content that is as long-lived as the disk, and the owner's alone; under `like`'s owner if there is one.
    /// What writers who were killed have left behind goes first.
    pub(super) fn write(to: &'a Path, text: &[u8], like: Option<&Metadata>) -> Result<Self> {
        sweep(to);
        let at = beside(to)?;
        let created = OpenOptions::new().read(true).write(true).create_new(true).mode(OWNERS_ALONE).open(&at);
        let file = created.map_err(|error| unwritten(to, &error))?;
        let mut replacing = Replacing { to, at, file };
        // Where files can't be locked, nothing is swept either.
        let _ = replacing.file.try_lock();
        fill(&mut replacing.file, text, like).map_err(|error| unwritten(to, &error))?;
        Ok(replacing)
    }

    pub(super) fn path(&self) -> &Path {
        &self.at
    }

    /// Takes the name, from whatever has it.
    pub(super) fn take_name(self) -> Result<(), CommitFailed<Error>> {
        fs::rename(&self.at, self.to).map_err(|error| unnamed(self.to, &error))
    }

    /// Takes the name if nothing has it, and says whether it did.
    pub(super) fn take_free_name(self) -> Result<bool, CommitFailed<Error>> {
        match fs::hard_link(&self.at, self.to) {
            Ok(()) => Ok(true),
            // Done, whatever was said: over a network a request can arrive twice.
            Err(_) if is_at(&self.file, self.to) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // On a disk without links, such as a stick's.
            Err(_) if fs::symlink_metadata(self.to).is_ok() => Ok(false),
            Err(_) => self.take_name().map(|()| true),
        }
    }
}

impl Drop for Replacing<'_> {
    fn drop(&mut self) {
        // After a rename it is not there any more.
        let _ = fs::remove_file(&self.at);
        // A process that was forked meanwhile would hold it on, and it may be the document's own by now.
        let _ = self.file.unlock();
    }
}

/// A rename that failed. Some errors come before anything is done; others, such as those of a disk or a network, also after.
fn unnamed(path: &Path, error: &io::Error) -> CommitFailed<Error> {
    match error.kind() {
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::IsADirectory
        | ErrorKind::CrossesDevices
        | ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded => CommitFailed { applied: Applied::No, cause: unwritten(path, error) },
        _ => {
            let cause = failed("it is not known whether the file was replaced", path, error);
            CommitFailed { applied: Applied::Unknown, cause }
        }
    }
}

/// Whether a path leads to a file that is open.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

fn fill(file: &mut File, text: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    if let Some(like) = like {
        keep_owner(file, like)?;
    }
    file.write_all(text)?;
    file.sync_all()
}

/// Makes sure that the name leads to the content even after the machine has stopped.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    let what = "the file was replaced, but not yet so that it outlives a crash of the machine";
    synced.map_err(|error| failed(what, path, &error))
}

/// Gives a file the owner of another, so that what root has written stays its owner's.
pub(super) fn keep_owner(file: &File, like: &Metadata) -> io::Result<()> {
    let metadata = file.metadata()?;
    if (metadata.uid(), metadata.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    fchown(file, Some(like.uid()), Some(like.gid()))
}

pub(super) fn exists(path: &Path) -> Error {
    let message = format!("{path:?} is there already: choose another name, or say that it may be replaced");
    Error::new(ErrorCode::InvalidArgument, message)
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let message = format!("nothing was written, and what was there is as it was: {path:?}: {error}");
    Error::new(ErrorCode::StorageFailed, message)
}

/// `<name>.<32 random hex digits>.new`
fn beside(path: &Path) -> Result<PathBuf> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| {
        Error::new(ErrorCode::EntropyFailed, "the operating system gave no randomness: nothing was done")
    })?;
    let mut name = OsString::from(path);
    name.push(format!(".{}.new", random.map(|byte| format!("{byte:02x}")).concat()));
    Ok(name.into())
}

fn is_beside(name: &OsStr, of: &OsStr) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(of.as_encoded_bytes());
    let random = rest.and_then(|rest| rest.strip_prefix(b".")).and_then(|rest| rest.strip_suffix(b".new"));
    random
        .is_some_and(|random| random.len() == 32 && random.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// Removes what writers who were killed have left beside a file: nobody holds its lock. What can't be removed stays.
fn sweep(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_beside(&entry.file_name(), name) {
            continue;
        }
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
