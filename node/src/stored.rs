//! Documents and files as stores. What takes long, or waits for a file, does so in a thread of libuv's pool.

use crate::wrapped::rejected;
use crate::{Thrown, thrown};
use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use std::path::PathBuf;
use std::sync::Arc;
use strongroom_bindings::{Existing, SharedDocument, SharedFile};

/// A document, for stores over what the host can read and write.
#[napi]
pub struct NativeDocument {
    document: Arc<SharedDocument>,
}

/// What a document answered.
#[napi(object)]
pub struct NativeAnswered {
    /// As JSON.
    pub answer: String,
    /// To write in place of what was read.
    pub text: Option<Uint8Array>,
}

/// A document with texts of at most so many bytes.
#[napi]
#[must_use]
pub fn make_document(limit: Option<u32>) -> NativeDocument {
    NativeDocument { document: Arc::new(SharedDocument::new(limit.and_then(|limit| limit.try_into().ok()))) }
}

#[napi]
impl NativeDocument {
    /// Answers a request as JSON over a text.
    #[napi]
    #[must_use]
    pub fn answer(&self, request: String, text: Option<Uint8Array>) -> AsyncTask<DocumentWork> {
        // A copy: JavaScript may write into its own meanwhile.
        let text = text.map(|text| text.to_vec());
        AsyncTask::new(DocumentWork { document: Arc::clone(&self.document), request, text })
    }
}

/// What a thread of libuv's pool does with a document.
pub struct DocumentWork {
    document: Arc<SharedDocument>,
    request: String,
    text: Option<Vec<u8>>,
}

impl Task for DocumentWork {
    type Output = strongroom::Result<(String, Option<Vec<u8>>)>;
    type JsValue = NativeAnswered;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(self.document.answer(self.text.as_deref(), &self.request))
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<NativeAnswered> {
        let (answer, text) = output.map_err(|error| rejected(env, error))?;
        Ok(NativeAnswered { answer, text: text.map(Uint8Array::new) })
    }
}

/// A store in a file.
#[napi]
pub struct NativeFile {
    store: Arc<SharedFile>,
}

/// A store at a path.
#[napi]
pub fn make_file(path: String, limit: Option<u32>, lock_timeout_millis: Option<u32>) -> Result<NativeFile, Thrown> {
    let limit = limit.and_then(|limit| limit.try_into().ok());
    let store = SharedFile::new(&PathBuf::from(path), limit, lock_timeout_millis.map(u64::from)).map_err(thrown)?;
    Ok(NativeFile { store: Arc::new(store) })
}

#[napi]
impl NativeFile {
    /// Answers a request as JSON.
    #[napi]
    #[must_use]
    pub fn answer(&self, request: String) -> AsyncTask<FileWork> {
        AsyncTask::new(FileWork { store: Arc::clone(&self.store), job: Job::Answer(request) })
    }

    /// Writes a verified copy, and gives its checksum.
    #[napi]
    #[must_use]
    pub fn backup(&self, to: String, replace: bool) -> AsyncTask<FileWork> {
        let existing = if replace { Existing::Replace } else { Existing::Refuse };
        AsyncTask::new(FileWork { store: Arc::clone(&self.store), job: Job::Backup(to.into(), existing) })
    }
}

enum Job {
    Answer(String),
    Backup(PathBuf, Existing),
}

/// What a thread of libuv's pool does with a file.
pub struct FileWork {
    store: Arc<SharedFile>,
    job: Job,
}

impl Task for FileWork {
    type Output = strongroom::Result<String>;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(match &self.job {
            Job::Answer(request) => self.store.answer(request),
            Job::Backup(to, existing) => self.store.backup(to, *existing),
        })
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<String> {
        output.map_err(|error| rejected(env, error))
    }
}
