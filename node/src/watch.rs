//! Rules of access.

use crate::{Thrown, thrown};
use napi_derive::napi;
use strongroom::audit::SharedWatch;

/// Looks at events by some rules.
#[napi]
pub struct NativeWatch {
    pub(crate) watch: SharedWatch,
}

/// By rules as JSON.
#[napi]
pub fn make_watch(rules: String) -> Result<NativeWatch, Thrown> {
    strongroom_bindings::parse_watch(&rules).map(|watch| NativeWatch { watch }).map_err(thrown)
}

#[napi]
impl NativeWatch {
    /// Looks at an event as JSON. Gives what it found, as JSON.
    #[napi]
    pub fn observe(&self, event: String) -> Result<String, Thrown> {
        strongroom_bindings::observe(&self.watch, &event).map_err(thrown)
    }
}
