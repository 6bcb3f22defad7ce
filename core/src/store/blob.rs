//! A vault in anything that keeps one text and can say whether it changed: an object in a bucket, a key in a cache.

use super::{Answering, CommitFailed, Content, Document};
use crate::error::Error;
use crate::flow::{Answer, Applied, CommitAnswer, Request};
use alloc::vec::Vec;
use core::fmt;

/// How often a commit begins again when others came first, before it is a conflict for the vault, which waits and tries
/// again.
const TRIES: u32 = 8;

/// A text, and the tag that it has where it is kept.
pub type TaggedText<T> = (Vec<u8>, T);

/// Where one text is kept, and replaced only while it is what its writer has read.
pub trait Blob {
    /// What tells contents apart: an ETag, a version. Two contents never have the same.
    type Tag;
    /// What it fails with.
    type Error;

    /// The text as it is now, with its tag; nothing when there is none yet. After a failure a commit is asked for again.
    fn read(&mut self) -> Result<Option<TaggedText<Self::Tag>>, Self::Error>;

    /// Writes a text whole, if what is there still has the tag, or if there still is none. One step with the comparison:
    /// with an object store it is a conditional put. Fails when it is not known whether it was written: then it is asked
    /// again, and what it reads shows it.
    fn write(&mut self, text: &[u8], expected: Option<&Self::Tag>) -> Result<BlobWritten, Self::Error>;
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobWritten {
    /// The text is there now.
    Written,
    /// Something else is there than was expected; nothing was written.
    Conflict,
}

/// Why a store over a blob failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentFailed<E> {
    /// What it holds is no whole document, or too long.
    Document(Error),
    /// It could not be read or written.
    Blob(E),
}

impl<E> From<Error> for DocumentFailed<E> {
    fn from(why: Error) -> Self {
        DocumentFailed::Document(why)
    }
}

impl<E: fmt::Display> fmt::Display for DocumentFailed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DocumentFailed::Document(why) => why.fmt(f),
            DocumentFailed::Blob(why) => why.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for DocumentFailed<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            DocumentFailed::Document(why) => Some(why),
            DocumentFailed::Blob(why) => Some(why),
        }
    }
}

/// A store over a [`Blob`]. Every request reads all of it, and every change writes all of it.
///
/// ```
/// use strongroom::store::{Blob, BlobWritten, DocumentStore, Store};
///
/// /// A text and how often it was written.
/// #[derive(Default)]
/// struct Cell(Option<(Vec<u8>, u64)>);
///
/// impl Blob for Cell {
///     type Tag = u64;
///     type Error = core::convert::Infallible;
///
///     fn read(&mut self) -> Result<Option<(Vec<u8>, u64)>, Self::Error> {
///         Ok(self.0.clone())
///     }
///
///     fn write(&mut self, text: &[u8], expected: Option<&u64>) -> Result<BlobWritten, Self::Error> {
///         let tag = self.0.as_ref().map(|(_, tag)| *tag);
///         if tag.as_ref() != expected {
///             return Ok(BlobWritten::Conflict);
///         }
///         self.0 = Some((text.to_vec(), tag.unwrap_or_default() + 1));
///         Ok(BlobWritten::Written)
///     }
/// }
///
/// let mut store = DocumentStore::new(Cell::default());
/// assert_eq!(store.load(&[]).unwrap(), []);
/// ```
#[derive(Debug)]
pub struct DocumentStore<B> {
    blob: B,
    document: Document,
}

impl<B: Blob> DocumentStore<B> {
    /// Over a blob, with documents of at most [`Document::LIMIT`] bytes.
    pub const fn new(blob: B) -> Self {
        Self::with_limit(blob, Document::LIMIT)
    }

    /// Over a blob, with documents of at most so many bytes.
    pub const fn with_limit(blob: B, limit: usize) -> Self {
        DocumentStore { blob, document: Document::new(limit) }
    }

    /// The blob.
    pub fn into_blob(self) -> B {
        self.blob
    }
}

impl<B: Blob> Answering for DocumentStore<B> {
    type Error = DocumentFailed<B::Error>;

    fn answer(&mut self, request: &Request) -> Result<Answer, CommitFailed<Self::Error>> {
        // Until a write was tried.
        let mut applied = Applied::No;
        for _ in 0..TRIES {
            let unknown = |why| CommitFailed { applied: Applied::Unknown, cause: DocumentFailed::Blob(why) };
            let found = self.blob.read().map_err(unknown)?;
            let content = found.as_ref().map_or(Content::Absent, |(text, _)| Content::Text(text));
            let refused = |why| CommitFailed { applied, cause: DocumentFailed::<B::Error>::Document(why) };
            let (answer, text) = self.document.answer(content, request).map_err(refused)?;
            let Some(text) = text else { return Ok(answer) };
            // A conflict says nothing else: to a client that repeats a put whose reply got lost, its own write is one.
            applied = Applied::Unknown;
            match self.blob.write(&text, found.as_ref().map(|(_, tag)| tag)).map_err(unknown)? {
                BlobWritten::Written => return Ok(answer),
                BlobWritten::Conflict => {}
            }
        }
        Ok(Answer::Commit(CommitAnswer::Conflict))
    }
}
