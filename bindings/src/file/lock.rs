//! The lock that writers of one file take turns by: a file of its own, which is never deleted.

use super::place::keep_owner;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};
use strongroom::{Error, ErrorCode, Result};

/// Between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// Held until it is dropped. Another process that was forked meanwhile does not hold it on.
pub(super) struct Lock(File);

impl Lock {
    /// Waits for the lock, at most so long.
    pub(super) fn take(path: &Path, wait: Duration, owner: Option<&Metadata>) -> Result<Lock> {
        let unlockable = |error| {
            let message = format!("nothing was written: the lock {path:?} could not be taken: {error}");
            Error::new(ErrorCode::StorageFailed, message)
        };
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let file = open(path).map_err(unlockable)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => {
                    if let Some(owner) = owner {
                        // Who may not give it away needs it for nobody else.
                        let _ = keep_owner(&file, owner);
                    }
                    return Ok(Lock(file));
                }
                // Somebody has deleted it all the same: what others lock now is another.
                Ok(()) => {}
                Err(TryLockError::Error(error)) => return Err(unlockable(error)),
                Err(TryLockError::WouldBlock) if began.elapsed() >= wait => return Err(held(path, wait)),
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(pause.min(wait.saturating_sub(began.elapsed())));
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(std::io::Error::other("it is no regular file"));
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

fn held(path: &Path, wait: Duration) -> Error {
    let message = format!(
        "nothing was written: another process has held the lock {path:?} for {} ms: find out who writes, or wait longer",
        wait.as_millis()
    );
    Error::new(ErrorCode::StorageFailed, message)
}
