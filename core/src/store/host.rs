//! What a Rust host can be asked besides its store: values of the environment, of files, and those that a rotator has made.

use crate::audit::{AccessFinding, Event};
use crate::flow::{Answer, Applied, Flow, Found, Request, RotatorStep};
use crate::secret::SecretBytes;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

/// Why a host did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<E> {
    /// It has no such thing.
    Unsupported,
    /// It failed.
    Failed(E),
}

impl<E> From<E> for Refusal<E> {
    fn from(why: E) -> Self {
        Refusal::Failed(why)
    }
}

/// One rotation: the same in all its steps, and whenever one of them is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRotation<'a> {
    /// Random; tells rotations apart.
    pub id: &'a str,
    /// The secret's namespace.
    pub namespace: &'a str,
    /// The secret's name.
    pub name: &'a str,
    /// The number of the version that the value will be.
    pub version: u64,
}

/// What a host can be asked besides its store. It has what it implements: everything else is `UNSUPPORTED`. `()` has
/// nothing.
pub trait Host {
    /// What it fails with.
    type Error;

    /// The value of a variable of the environment, or nothing when it is not set.
    fn read_env(&mut self, _name: &str) -> Result<Option<SecretBytes>, Refusal<Self::Error>> {
        Err(Refusal::Unsupported)
    }

    /// The content of a file, or nothing when there is none. The path is as it was written in a reference: whoever lets
    /// others write those says which files they may name.
    fn read_file(&mut self, _path: &str) -> Result<Option<SecretBytes>, Refusal<Self::Error>> {
        Err(Refusal::Unsupported)
    }

    /// Has a new value made where the secret is used. The old one stays good. Asked again for the same rotation, it gives
    /// the same value, or another in its place.
    fn create(&mut self, _rotation: HostRotation<'_>) -> Result<SecretBytes, Refusal<Self::Error>> {
        Err(Refusal::Unsupported)
    }

    /// Is told of an event, once the change set that it is in was committed: for notifications. What
    /// [`EventFilter`](crate::audit::EventFilter) takes is a choice of them. What [happened in another
    /// vault](Event::is_foreign) is no news.
    fn committed(&mut self, _event: &Event) {}

    /// Is told what the vault's [rules](crate::audit::AccessRules) found, after the events that it was found in.
    fn found(&mut self, _finding: &AccessFinding) {}

    /// Makes the value that was created the one in use. It may be asked again after it was done. Where what was created is
    /// in use already, there is nothing to do.
    fn activate(&mut self, _rotation: HostRotation<'_>, _value: &SecretBytes) -> Result<(), Refusal<Self::Error>> {
        Err(Refusal::Unsupported)
    }
}

impl Host for () {
    type Error = Infallible;
}

/// What failed, with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<S, H> {
    /// The store.
    Store(S),
    /// What else the host was asked for.
    Host(H),
}

impl<S: fmt::Display, H: fmt::Display> fmt::Display for Cause<S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Store(why) => why.fmt(f),
            Cause::Host(why) => why.fmt(f),
        }
    }
}

impl<S: core::error::Error + 'static, H: core::error::Error + 'static> core::error::Error for Cause<S, H> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Cause::Store(why) => why,
            Cause::Host(why) => why,
        })
    }
}

/// What a host says to a request, the values beside it; nothing when the request is for the store. What it failed with is
/// kept.
pub(super) fn answer<T: Send + 'static, H: Host>(
    host: &mut H,
    flow: &mut Flow<T>,
    request: &Request,
    cause: &mut Option<H::Error>,
) -> Option<Answer> {
    let answered = match request {
        Request::ReadEnv { names } => found(names, flow, cause, |name| host.read_env(name)),
        Request::ReadFile { paths } => found(paths, flow, cause, |path| host.read_file(path)),
        Request::Rotate { step, id, namespace, name, version } => {
            let rotation = HostRotation { id, namespace, name, version: *version };
            match (step, flow.take_shown()) {
                (RotatorStep::Create, _) => host.create(rotation).map(|value| {
                    flow.offer(value);
                    Answer::Values { found: [Found::Given].into() }
                }),
                (RotatorStep::Activate, Some(value)) => host.activate(rotation, &value).map(|()| Answer::Activated {}),
                (RotatorStep::Activate, None) => Err(Refusal::Unsupported),
            }
        }
        Request::Load { .. } | Request::List { .. } | Request::Commit { .. } => return None,
        Request::Events { .. } | Request::Wait { .. } | Request::Target { .. } => return None,
    };
    Some(match answered {
        Ok(answer) => answer,
        Err(Refusal::Unsupported) => Answer::Unsupported {},
        Err(Refusal::Failed(why)) => {
            *cause = Some(why);
            Answer::Failed { applied: Applied::Unknown }
        }
    })
}

/// What was found of each: one that cannot be read takes nothing from the others.
fn found<T: Send + 'static, E>(
    asked: &[String],
    flow: &mut Flow<T>,
    cause: &mut Option<E>,
    mut read: impl FnMut(&str) -> Result<Option<SecretBytes>, Refusal<E>>,
) -> Result<Answer, Refusal<E>> {
    let mut found = Vec::with_capacity(asked.len());
    for what in asked {
        found.push(match read(what) {
            Ok(Some(value)) => {
                flow.offer(value);
                Found::Given
            }
            Ok(None) => Found::Missing,
            Err(Refusal::Unsupported) => return Err(Refusal::Unsupported),
            Err(Refusal::Failed(why)) => {
                *cause = Some(why);
                Found::Failed
            }
        });
    }
    Ok(Answer::Values { found })
}
