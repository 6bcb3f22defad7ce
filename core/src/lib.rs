//! A secrets core that an application embeds: encryption, keyrings, masking, versions, confirmation and audit.
//!
//! The crate does no I/O. It has no clock, no randomness of its own, no logging and no global state: time and entropy
//! come in from outside, so that a run is a pure function of its inputs. Storage is a conversation. An operation of a
//! [`Vault`] is a [`Flow`]: it asks, the host answers, until it is done. [`store::drive`] is the run loop for a host
//! whose calls return at once; one that awaits its store writes these lines:
//!
//! ```
//! # use strongroom::store::MemoryStore;
//! # use strongroom::{Flow, Reply, Result, Step, Timestamp};
//! # fn now() -> Timestamp { Timestamp::from_millis(0) }
//! fn run<T: Send + 'static>(mut flow: Flow<T>, host: &mut MemoryStore) -> Result<T> {
//!     let mut reply = None;
//!     loop {
//!         match flow.step(now(), reply.take())? {
//!             Step::Ask { number, request } => reply = Some(Reply { number, answer: host.answer(&request) }),
//!             Step::Done(result) => break result,
//!         }
//!     }
//! }
//! ```
//!
//! Modules stand on floors, and a module imports from its own floor and those below (`tests/floors.rs` checks it):
//!
//! | floor | modules | what they hold |
//! | --- | --- | --- |
//! | F0 | [`error`] [`secret`] [`time`] [`entropy`] [`wire`] `encoding` | codes; zeroizing bytes; timestamps; the source of randomness; JSON; canonical encoding |
//! | F1 | [`ident`] [`mask`] [`reference`](mod@reference) | parsed names and actors; masking; where configuration says that values are |
//! | F2 | [`crypto`] [`keyring`] [`generate`] | value formats; keys and their life; keys derived from the vault root; value generators |
//! | F3 | [`record`] [`audit`] [`policy`] [`rotation`] [`manifest`] `archive` | what a store keeps, with MACs; the chain of events; who may do what; when a value is due; what an application needs |
//! | F4 | [`flow`] [`store`] `metrics` | requests, replies, change sets; the engine; stores in memory and in one document; what is counted of them |
//! | F5 | [`ops`] [`conformance`] | one file per operation; the kit that puts stores to the test |
//! | F6 | [`vault`] [`command`] | the facade; the chat command language |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod entropy;
pub mod error;
pub mod secret;
pub mod time;
pub mod wire;

pub(crate) mod encoding;

pub mod ident;
pub mod mask;
pub mod reference;

pub mod crypto;
pub mod generate;
pub mod keyring;

pub(crate) mod archive;
pub mod audit;
pub mod manifest;
pub mod policy;
pub mod record;
pub mod rotation;

pub mod flow;
pub(crate) mod metrics;
pub mod store;

pub mod conformance;
pub mod ops;

pub mod command;
pub mod vault;

pub use crate::entropy::Entropy;
pub use crate::error::{Error, ErrorCode, Result};
pub use crate::flow::{Answer, Flow, Reply, Request, Step};
pub use crate::ident::Actor;
pub use crate::keyring::Keyring;
pub use crate::mask::MaskStyle;
pub use crate::secret::SecretBytes;
pub use crate::time::Timestamp;
pub use crate::vault::{Leaked, Vault, VaultOptions};

/// The page for authors of stores: its Rust is a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/writing-a-store.md")]
struct WritingAStore;
