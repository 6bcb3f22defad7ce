//! Moving a vault from one store to another.

use super::Vault;
use crate::entropy::Entropy;
use crate::flow::Flow;
use crate::ident::Actor;
use crate::ops::{self, Copied};
use alloc::boxed::Box;
use alloc::sync::Arc;

impl Vault {
    /// Copies the vault to another store, an empty one: every record at its very revision with its counters, and the whole
    /// history in its order. All answers are the same there, and the copy verifies. It is driven over both stores, by
    /// [`drive_between`](crate::store::drive_between) or whatever answers [`Request::Target`](crate::Request::Target) from
    /// the other one.
    ///
    /// Nobody may use the vault meanwhile. The head comes last: what was cut short is no vault, and is refused by every
    /// operation; empty that store and copy again.
    ///
    /// Errors of the flow: `INVALID_ARGUMENT` for a target that is not empty; `UNSUPPORTED` when the host has no target;
    /// `CONFLICT` when the vault was used meanwhile; `RECORD_TAMPERED`, naming the first record that is not as the vault
    /// wrote it; `AUDIT_TAMPERED`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use strongroom::store::{MemoryStore, drive, drive_between};
    /// use strongroom::{Actor, Entropy, Keyring, Result, Vault, VaultOptions};
    /// # struct Counting(u8);
    /// # impl Entropy for Counting {
    /// #     fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
    /// #         buffer.iter_mut().for_each(|byte| { self.0 = self.0.wrapping_add(1); *byte = self.0 });
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn entropy(from: u8) -> Box<dyn Entropy> { Box::new(Counting(from)) }
    /// # let now = || strongroom::Timestamp::from_millis(0);
    /// let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
    /// let (vault, alice) = (Vault::new(Arc::new(keyring), VaultOptions::default())?, Actor::new("alice")?);
    /// let (mut old, mut new) = (MemoryStore::new(), MemoryStore::new());
    /// drive(vault.list(&alice, None, entropy(1))?, &mut old, now)?;
    /// let copied = drive_between(vault.copy_to(&alice, entropy(2)), (&mut old, &mut new), now).unwrap();
    /// assert_eq!((copied.secrets, copied.events), (0, 3));
    /// assert_eq!(old.all_events(), new.all_events());
    /// # Ok::<(), strongroom::store::Failed<core::convert::Infallible>>(())
    /// ```
    pub fn copy_to(&self, actor: &Actor, entropy: Box<dyn Entropy>) -> Flow<Copied> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::copy_to(&io, &settings, &actor).await })
    }
}
