//! A vault in one file: a document (`docs/format.md`) that only its owner can read, under a lock, replaced whole.
//!
//! A change reads the file, compares, writes a new one beside it, and has that take its name: whoever is killed on the
//! way leaves the old content or the new one. Readers need no lock, since a name always leads to a whole file.

mod backup;
mod lock;
mod place;

pub use backup::Existing;

use lock::{Lock, Patience};
use place::{Replacing, opened, sync_folder};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strongroom::flow::{Applied, CommitAnswer};
use strongroom::store::{Answering, CommitFailed, Content, Document};
use strongroom::{Answer, Error, ErrorCode, Request, Result};

/// A store in a file. It does not exist until the first change; the file of its lock stays beside it, `<path>.lock`.
///
/// What it fails with, as the cause: `STORAGE_FAILED`, and `LIMIT_EXCEEDED` for a vault that grows too long; nothing is
/// lost then. It needs a file that nobody else can read or write, no link to one.
///
/// ```
/// use strongroom::store::Store;
/// use strongroom_bindings::{FileOptions, FileStore};
/// let folder = std::env::temp_dir().join(format!("strongroom-example-{}", std::process::id()));
/// let mut store = FileStore::new(&folder.join("secrets.json.enc"), FileOptions::default())?;
/// assert_eq!(store.load(&[])?, []);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    lock: PathBuf,
    options: FileOptions,
    document: Document,
    /// Of the file that the document was read from or written to last.
    length: u64,
}

/// Limits of a [`FileStore`].
#[derive(Clone, Copy, Debug)]
pub struct FileOptions {
    /// How long the file is at most, in bytes: [`Document::LIMIT`] unless told otherwise.
    pub limit: usize,
    /// How long to wait for other writers: 10 seconds unless told otherwise.
    pub lock_timeout: Duration,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions { limit: Document::LIMIT, lock_timeout: Duration::from_secs(10) }
    }
}

impl FileStore {
    /// A store at a path, which counts from the present folder even if that is changed later. Nothing is opened yet.
    ///
    /// Errors: `INVALID_ARGUMENT` for a path without a file's name.
    pub fn new(path: &Path, options: FileOptions) -> Result<FileStore> {
        let path = std::path::absolute(path).ok().filter(|path| path.file_name().is_some());
        let no_name =
            || Error::new(ErrorCode::InvalidArgument, "the path of a file store has no file's name at its end");
        let path = path.ok_or_else(no_name)?;
        let mut lock = OsString::from(&path);
        lock.push(".lock");
        Ok(FileStore { path, lock: lock.into(), options, document: Document::new(options.limit), length: 0 })
    }

    /// Copies the document as it is to another path, where [`Existing`] says whether something may be there already; reads
    /// the copy back and compares it. Gives its checksum, 64 hex digits. The copy is a document like any other: `cp` puts it
    /// back.
    ///
    /// Errors: `STORAGE_FAILED`, also where there is no document yet or it is not whole; `INVALID_ARGUMENT` when something
    /// is there that must not be.
    pub fn backup(&self, to: &Path, existing: Existing) -> Result<String> {
        backup::backup(&self.path, to, existing, self.options.limit)
    }

    fn answer_over(&mut self, file: Option<&File>, request: &Request) -> Result<(Answer, Option<Vec<u8>>)> {
        let Some(mut file) = file else { return self.document.answer(Content::Absent, request) };
        let unreadable = |error| failed("the file could not be read", &self.path, &error);
        let length = file.metadata().map_err(unreadable)?.len();
        let mut text = Vec::new();
        let head = u64::try_from(Document::HEAD).unwrap_or(u64::MAX);
        file.by_ref().take(head).read_to_end(&mut text).map_err(unreadable)?;
        if length == self.length && self.document.was_last(&text) {
            return self.document.answer(Content::AsBefore, request);
        }
        read_rest(file, &mut text, self.options.limit).map_err(unreadable)?;
        self.length = length;
        self.document.answer(Content::Text(&text), request)
    }

    fn commit(&mut self, request: &Request) -> Result<Answer, CommitFailed<Error>> {
        let no = |cause| CommitFailed { applied: Applied::No, cause };
        let unknown = |cause| CommitFailed { applied: Applied::Unknown, cause };
        // Before it is locked: a file that is refused leaves no lock beside it.
        let owner = opened(&self.path).map_err(no)?.and_then(|file| file.metadata().ok());
        let mut patience = Patience::new(self.options.lock_timeout);
        let (path, lock) = (self.path.clone(), self.lock.clone());
        let lock = Lock::take(&lock, &mut patience, owner.as_ref()).map_err(no)?;
        let document = Lock::take_of_document(&path, &mut patience).map_err(no)?;
        let file = document.as_ref().map(Lock::file);
        let owner = file.and_then(|file| file.metadata().ok());
        let (answer, text) = self.answer_over(file, request).map_err(no)?;
        if let Some(text) = text {
            let replacing = Replacing::write(&path, &text, owner.as_ref()).map_err(no)?;
            // Somebody has deleted the lock, or put another file in place of what was read: nothing is written over it.
            if !lock.is_in_place() || document.as_ref().is_some_and(|document| !document.is_in_place()) {
                return Ok(Answer::Commit(CommitAnswer::Conflict));
            }
            let is_named = match document {
                Some(_) => replacing.take_name().map(|()| true)?,
                None => replacing.take_free_name()?,
            };
            if !is_named {
                return Ok(Answer::Commit(CommitAnswer::Conflict));
            }
            self.length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            sync_folder(&path).map_err(unknown)?;
        } else if answer == Answer::Commit(CommitAnswer::Committed) {
            // Applied before, by somebody who may not have come to the end of it.
            sync_folder(&path).map_err(unknown)?;
        }
        Ok(answer)
    }
}

impl Answering for FileStore {
    type Error = Error;

    fn answer(&mut self, request: &Request) -> Result<Answer, CommitFailed<Error>> {
        if matches!(request, Request::Commit { .. }) {
            return self.commit(request);
        }
        let answered = opened(&self.path).and_then(|file| self.answer_over(file.as_ref(), request));
        answered.map(|(answer, _)| answer).map_err(|cause| CommitFailed { applied: Applied::No, cause })
    }
}

/// Reads on to the end, and one byte more than may be there, which tells that it is too long.
fn read_rest(file: &File, text: &mut Vec<u8>, limit: usize) -> std::io::Result<()> {
    let most = u64::try_from(limit.saturating_add(1).saturating_sub(text.len())).unwrap_or(u64::MAX);
    file.take(most).read_to_end(text).map(|_| ())
}

/// A failure with what the system says. Paths are told: they are the application's own, and what to look at.
fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::StorageFailed, format!("Failed to load secrets: {what}: {path:?}: {error}"))
}
