//! What is done with the keys of a vault: its root.

use super::{Vault, invalid};
use crate::entropy::Entropy;
use crate::error::Result;
use crate::flow::Flow;
use crate::ident::Actor;
use crate::ops::{self, Renewed};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;

impl Vault {
    /// Replaces the vault's root, which authenticates its records and events, by a new one, and moves a page of 1 to 500 secrets
    /// to it, from where the page before ended. The first page begins the renewal, or goes on with one that was cut short; after
    /// the last, the root before authenticates no record any more. Errors: `INVALID_ARGUMENT`; of the flow: `KEYRING_STALE`.
    ///
    /// A root that leaked is replaced by this; then rekey with a fresh primary and retire the old key: whoever has both the old
    /// root and an old copy of the store can make up a whole store with them for as long as that key is in the keyring.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use strongroom::store::{MemoryStore, drive};
    /// use strongroom::{Actor, Entropy, Keyring, Result, Vault, VaultOptions};
    /// # struct Counting(u8);
    /// # impl Entropy for Counting {
    /// #     fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
    /// #         buffer.iter_mut().for_each(|byte| { self.0 = self.0.wrapping_add(1); *byte = self.0 });
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn entropy() -> Box<dyn Entropy> { Box::new(Counting(7)) }
    /// # let now = || strongroom::Timestamp::from_millis(0);
    /// let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
    /// let (vault, mut store) = (Vault::new(Arc::new(keyring), VaultOptions::default())?, MemoryStore::new());
    /// let (alice, mut after) = (Actor::new("alice")?, None);
    /// loop {
    ///     let page = drive(vault.renew_root(&alice, (after.as_deref(), 100), entropy())?, &mut store, now)?;
    ///     after = page.next;
    ///     if after.is_none() {
    ///         assert_eq!(page.epoch, 2);
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), strongroom::store::Failed<core::convert::Infallible>>(())
    /// ```
    pub fn renew_root(
        &self,
        actor: &Actor,
        (after, limit): (Option<&str>, u32),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Renewed>> {
        if !(1..=ops::RENEW_PAGE_MAX).contains(&limit) {
            return Err(invalid(&format!("a page takes 1 to {} secrets", ops::RENEW_PAGE_MAX)));
        }
        let (settings, actor, after) = (Arc::clone(&self.settings), actor.clone(), after.map(ToString::to_string));
        Ok(self.flow(entropy, move |io| async move {
            ops::renew_root(&io, &settings, &actor, (after.as_deref(), limit)).await
        }))
    }
}
