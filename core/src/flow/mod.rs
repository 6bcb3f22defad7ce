//! The engine: an operation is a flow that asks and is answered, step by step, until it is done.
//!
//! Inside, an operation is an `async fn` over the `Io` port and reads straight down. The flow polls it with a waker that
//! does nothing: there is no runtime, and nothing else that could wake it than the next answer. A flow owns its source
//! of entropy; each step brings fresh time; a flow that is dropped wipes what it held.

mod change;
mod io;
mod message;

pub use change::{ChangeSet, Check, CounterDelta, Delete, Expected, Put};
pub(crate) use io::{Committed, Given, Io, Refused};
pub use message::{
    Answer, Applied, CommitAnswer, EventQuery, EventScope, Found, Item, ListQuery, Lookup, PAGE_LIMIT, Reply, Request,
    RotatorStep,
};

use crate::audit::AccessFinding;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::metrics::Observer;
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use io::Exchange;
use spin::Mutex;

/// What a flow does next.
#[derive(Debug)]
pub enum Step<T> {
    /// It asks. The reply must carry the same number.
    Ask {
        /// Counts the requests of the flow from 1.
        number: u64,
        /// What it asks.
        request: Request,
    },
    /// It is done. Errors are results too; the flow takes no further step.
    Done(Result<T>),
}

type Operation<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// One operation under way.
pub struct Flow<T> {
    // `None` once it is done: what it held is wiped then, not when the host lets go of the flow.
    operation: Option<Operation<T>>,
    exchange: Arc<Mutex<Exchange>>,
    started: bool,
}

impl<T: Send + 'static> Flow<T> {
    /// A flow that has not asked anything yet.
    pub(crate) fn new<F>(entropy: Box<dyn Entropy>, operation: impl FnOnce(Io) -> F) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        Self::observed(entropy, None, operation)
    }

    /// The same, watched over.
    pub(crate) fn observed<F>(
        entropy: Box<dyn Entropy>,
        observer: Option<Observer>,
        operation: impl FnOnce(Io) -> F,
    ) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let exchange = Arc::new(Mutex::new(Exchange::new(entropy, observer)));
        let operation = operation(Io::new(Arc::clone(&exchange)));
        Flow { operation: Some(Box::pin(operation)), exchange, started: false }
    }

    /// The same flow with another result.
    ///
    /// ```
    /// # use strongroom::{Actor, Flow, Vault, Keyring, VaultOptions};
    /// # use std::sync::Arc;
    /// # fn shown(vault: &Vault, entropy: Box<dyn strongroom::Entropy>) -> Result<(), strongroom::Error> {
    /// let flow: Flow<usize> = vault.list(&Actor::new("alice")?, None, entropy)?.map(|page| page.secrets.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<U: Send + 'static>(self, map: impl FnOnce(T) -> U + Send + 'static) -> Flow<U> {
        let operation =
            self.operation.map(|operation| -> Operation<U> { Box::pin(async move { operation.await.map(map) }) });
        Flow { operation, exchange: self.exchange, started: self.started }
    }

    /// Gives a value: one of an operation on many, before the first step, or what the next answer tells of, as
    /// [`Answer::Values`] says.
    pub fn offer(&mut self, value: SecretBytes) {
        self.exchange.lock().offer(value);
    }

    /// The value that goes with the open request, once: see [`Request::Rotate`].
    pub fn take_shown(&mut self) -> Option<SecretBytes> {
        self.exchange.lock().take_shown()
    }

    /// What the vault's [rules](crate::audit::AccessRules) found in the events that the reply of the last step said are
    /// committed; each once.
    pub fn take_findings(&mut self) -> Vec<AccessFinding> {
        self.exchange.lock().observer().map(Observer::take_findings).unwrap_or_default()
    }

    /// Goes on until the next request or the end. The first step takes no reply, every other one takes the reply to the
    /// request that is open.
    ///
    /// Errors leave the flow as it was: `STALE_REPLY` when the reply is missing or answers another request; `FLOW_DONE`
    /// when the flow has ended.
    pub fn step(&mut self, now: Timestamp, reply: Option<Reply>) -> Result<Step<T>> {
        let Some(operation) = &mut self.operation else {
            return Err(Error::new(ErrorCode::FlowDone, "the operation has ended: start a new one"));
        };
        self.exchange.lock().accept(now, reply, self.started)?;
        self.started = true;
        let mut context = Context::from_waker(Waker::noop());
        match operation.as_mut().poll(&mut context) {
            Poll::Ready(result) => {
                self.operation = None;
                if let Some(observer) = self.exchange.lock().observer() {
                    observer.ended(result.as_ref().err().map(Error::code));
                }
                Ok(Step::Done(result))
            }
            Poll::Pending => {
                let (number, request) = self.exchange.lock().open_request()?;
                Ok(Step::Ask { number, request })
            }
        }
    }
}

impl<T> core::fmt::Debug for Flow<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Flow").field("done", &self.operation.is_none()).finish_non_exhaustive()
    }
}
