//! What the vault has seen, in numbers.

use super::Vault;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::flow::{Flow, Io};
use crate::metrics::Observer;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

impl Vault {
    /// What flows of this vault have done since it was opened, in the text format of Prometheus, version 0.0.4; every name
    /// begins with the prefix and `_`. Nothing is asked of the store, and there is nobody who may not. `docs/metrics.md` has
    /// all of them. Errors: `INVALID_ARGUMENT` for a prefix that is none.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use strongroom::{Keyring, Vault, VaultOptions};
    /// # let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
    /// let vault = Vault::new(Arc::new(keyring), VaultOptions::default())?;
    /// assert!(vault.metrics("strongroom")?.contains("strongroom_secret_access_total{result=\"denied\"} 0\n"));
    /// assert!(vault.metrics("no spaces").is_err());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn metrics(&self, prefix: &str) -> Result<String> {
        self.meter.text(prefix)
    }

    /// Counts a call that came to no flow: what a host refuses when it reads the arguments.
    pub fn count_refusal(&self, refusal: &Error) {
        self.meter.ended(Some(refusal.code()));
    }

    /// A flow that is counted.
    pub(super) fn flow<T, F>(&self, entropy: Box<dyn Entropy>, operation: impl FnOnce(Io) -> F) -> Flow<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        Flow::observed(entropy, Some(Observer::new(Arc::clone(&self.meter))), operation)
    }
}
