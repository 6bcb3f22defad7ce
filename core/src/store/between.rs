//! The loop for an operation on two stores: a vault's own, and the one that it is copied to.

use super::{Clock, Failed, Store, answer};
use crate::error::ErrorCode;
use crate::flow::{Answer, Flow, Reply, Request, Step};
use core::fmt;

/// Which of two stores failed, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between<S, T> {
    /// The vault's own.
    Own(S),
    /// The one that the vault is copied to.
    Target(T),
}

impl<S: fmt::Display, T: fmt::Display> fmt::Display for Between<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Between::Own(why) => why.fmt(f),
            Between::Target(why) => why.fmt(f),
        }
    }
}

impl<S: core::error::Error + 'static, T: core::error::Error + 'static> core::error::Error for Between<S, T> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Between::Own(why) => why,
            Between::Target(why) => why,
        })
    }
}

/// Why an operation failed over two stores.
pub type FailedBetween<S, D> = Failed<Between<<S as Store>::Error, <D as Store>::Error>>;

/// Drives a flow over a vault's store and the one that it is copied to, to its end: see
/// [`Vault::copy_to`](crate::Vault::copy_to).
pub fn drive_between<T: Send + 'static, S: Store, D: Store>(
    mut flow: Flow<T>,
    (store, target): (&mut S, &mut D),
    mut clock: impl Clock,
) -> Result<T, FailedBetween<S, D>> {
    let (mut reply, mut cause) = (None, None);
    loop {
        match flow.step(clock.now(), reply.take())? {
            Step::Done(Ok(done)) => return Ok(done),
            Step::Done(Err(error)) => {
                let cause = cause.filter(|_| error.code() == ErrorCode::StorageFailed);
                return Err(Failed { error, cause });
            }
            Step::Ask { number, request } => {
                if let Request::Wait { millis } = request {
                    clock.wait(millis);
                }
                let answered = match &request {
                    Request::Target { request } => {
                        answer(target, request).map_err(|(failed, why)| (failed, Between::Target(why)))
                    }
                    request => answer(store, request).map_err(|(failed, why)| (failed, Between::Own(why))),
                };
                let answer: Answer = answered.unwrap_or_else(|(failed, why)| {
                    cause = Some(why);
                    failed
                });
                reply = Some(Reply { number, answer });
            }
        }
    }
}
