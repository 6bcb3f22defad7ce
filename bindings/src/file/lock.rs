//! The locks that writers of one file take turns by: one on a file of its own, which nobody should delete; and one on the
//! document itself, by which those still meet who came before and after somebody deleted it all the same.

use super::place::{is_at, keep_owner, opened};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};
use strongroom::{Error, ErrorCode, Result};

/// Between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// How long other writers are waited for, whichever lock they hold.
pub(super) struct Patience {
    began: Instant,
    wait: Duration,
    pause: Duration,
}

impl Patience {
    /// From now on, at most so long.
    pub(super) fn new(wait: Duration) -> Self {
        Patience { began: Instant::now(), wait, pause: Duration::from_millis(1) }
    }

    fn pass(&mut self, path: &Path) -> Result<()> {
        if self.began.elapsed() >= self.wait {
            return Err(held(path, self.wait));
        }
        std::thread::sleep(self.pause.min(self.wait.saturating_sub(self.began.elapsed())));
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Held until it is dropped. Another process that was forked meanwhile does not hold it on.
pub(super) struct Lock<'a> {
    file: File,
    path: &'a Path,
}

impl<'a> Lock<'a> {
    /// Waits for the lock, whose file is made where there is none. One of root's becomes `owner`'s, if one is told.
    pub(super) fn take(path: &'a Path, patience: &mut Patience, owner: Option<&Metadata>) -> Result<Lock<'a>> {
        let unlockable = |error| {
            let message = format!("nothing was written: the lock {path:?} could not be taken: {error}");
            Error::new(ErrorCode::StorageFailed, message)
        };
        loop {
            if let Some(file) = open(path).map_err(unlockable)? {
                match file.try_lock() {
                    Ok(()) if is_at(&file, path) => {
                        if let Some(owner) = owner {
                            hand_over(&file, owner);
                        }
                        return Ok(Lock { file, path });
                    }
                    Err(TryLockError::Error(error)) => return Err(unlockable(error)),
                    // Or somebody has deleted it all the same: what others lock now is another.
                    Err(TryLockError::WouldBlock) | Ok(()) => {}
                }
            }
            patience.pass(path)?;
        }
    }

    /// Waits for the lock of the document itself, which only those hold who lock another file beside it. Nothing when
    /// there is no document.
    pub(super) fn take_of_document(path: &'a Path, patience: &mut Patience) -> Result<Option<Lock<'a>>> {
        loop {
            let Some(file) = opened(path)? else { return Ok(None) };
            match file.try_lock() {
                // Where it can't be locked, as on NFS when it may only be read, the lock beside it has to do.
                Ok(()) | Err(TryLockError::Error(_)) if is_at(&file, path) => return Ok(Some(Lock { file, path })),
                _ => patience.pass(path)?,
            }
        }
    }

    /// What is locked, and open.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether its path still leads to what is locked.
    pub(super) fn is_in_place(&self) -> bool {
        is_at(&self.file, self.path)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Opens the file of the lock; nothing when others made or deleted it at the same moment.
fn open(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(_) => unless(ErrorKind::NotFound, options.open(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            unless(ErrorKind::AlreadyExists, options.create_new(true).mode(0o600).open(path))
        }
        Err(error) => Err(error),
    }
}

/// Gives a lock that root has made to the document's owner, who could not open it otherwise; at a later change too, if
/// who made it was killed before, or the document was given away since.
fn hand_over(file: &File, owner: &Metadata) {
    // INVARIANT: nothing is in it, and it has no other name: a file of root's that somebody has put in the lock's place, to
    // be given it, stays root's.
    let is_roots_lock = |it: Metadata| it.is_file() && it.uid() == 0 && it.nlink() == 1 && it.len() == 0;
    if file.metadata().is_ok_and(is_roots_lock) {
        // Who is not root may not, and had no need.
        let _ = keep_owner(file, owner);
    }
}

fn unless(kind: ErrorKind, opened: io::Result<File>) -> io::Result<Option<File>> {
    match opened {
        Err(error) if error.kind() == kind => Ok(None),
        opened => opened.map(Some),
    }
}

fn held(path: &Path, wait: Duration) -> Error {
    let message = format!(
        "nothing was written: another process has held the lock {path:?} for {} ms: find out who writes, or wait longer",
        wait.as_millis()
    );
    Error::new(ErrorCode::StorageFailed, message)
}
