//! Documents and files, for hosts: a request as JSON in, an answer as JSON out.

use crate::{invalid_arguments, json_of};
use std::sync::{Mutex, PoisonError};
use strongroom::store::Content;
use strongroom::store::Document;
use strongroom::wire::read;
use strongroom::{Request, Result};

/// A document, for stores over what a host can read and write. Safe to share between threads.
pub struct SharedDocument(Mutex<Document>);

impl SharedDocument {
    /// With texts of at most so many bytes, or [`Document::LIMIT`].
    #[must_use]
    pub fn new(limit: Option<usize>) -> Self {
        SharedDocument(Mutex::new(Document::new(limit.unwrap_or(Document::LIMIT))))
    }

    /// Answers a request over a text, nothing where there is none yet; and gives the text to write in its place, if the
    /// request changed it. Errors: `INVALID_ARGUMENT`, and those of [`Document::answer`].
    pub fn answer(&self, text: Option<&[u8]>, request: &str) -> Result<(String, Option<Vec<u8>>)> {
        let request = read_request(request)?;
        let content = text.map_or(Content::Absent, Content::Text);
        // INVARIANT: a document that a panic left behind has nothing kept, and is read anew.
        let mut document = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, text) = document.answer(content, &request)?;
        Ok((json_of(&answer), text))
    }
}

fn read_request(request: &str) -> Result<Request> {
    read(request).map_err(|fault| invalid_arguments("the request", &fault))
}

/// A [`FileStore`](crate::FileStore). Threads take turns.
#[cfg(unix)]
pub struct SharedFile(Mutex<crate::FileStore>);

#[cfg(unix)]
impl SharedFile {
    /// At a path: see [`FileStore::new`](crate::FileStore::new). Limits that are not given are those of
    /// [`FileOptions`](crate::FileOptions).
    pub fn new(path: &std::path::Path, limit: Option<usize>, lock_timeout_millis: Option<u64>) -> Result<Self> {
        let mut options = crate::FileOptions::default();
        options.limit = limit.unwrap_or(options.limit);
        options.lock_timeout = lock_timeout_millis.map_or(options.lock_timeout, std::time::Duration::from_millis);
        Ok(SharedFile(Mutex::new(crate::FileStore::new(path, options)?)))
    }

    /// Answers a request; when the file fails, by `{"failed": {"applied", "code", "message"}}`. Errors:
    /// `INVALID_ARGUMENT`.
    pub fn answer(&self, request: &str) -> Result<String> {
        use strongroom::store::{Answering, CommitFailed};
        let request = read_request(request)?;
        Ok(match self.lock().answer(&request) {
            Ok(answer) => json_of(&answer),
            Err(CommitFailed { applied, cause }) => {
                let (applied, code, message) =
                    (json_of(&applied), json_of(&cause.code().name()), json_of(&cause.message()));
                format!("{{\"failed\":{{\"applied\":{applied},\"code\":{code},\"message\":{message}}}}}")
            }
        })
    }

    /// A verified copy: see [`FileStore::backup`](crate::FileStore::backup).
    pub fn backup(&self, to: &std::path::Path, existing: crate::Existing) -> Result<String> {
        self.lock().backup(to, existing)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, crate::FileStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
