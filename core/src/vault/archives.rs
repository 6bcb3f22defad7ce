//! Archives: secrets that leave a vault for another, or come from one.

use super::{Vault, invalid};
use crate::entropy::Entropy;
use crate::error::Result;
use crate::flow::Flow;
use crate::ident::{Actor, Slot};
use crate::ops::{self, Exported, Exports, ImportOptions, ImportReport, Opening, WithHistory};
use alloc::boxed::Box;
use alloc::sync::Arc;

impl Vault {
    /// Exports secrets with their versions, their settings and, unless told otherwise, their history: an archive in
    /// plaintext, which a host seals at once. Each has an event of it before that. Errors: `NAME_INVALID`; of the flow, all
    /// problems in one: `PERMISSION_DENIED`, `SECRET_NOT_FOUND`, `KEY_UNKNOWN`, `NOT_AUTHENTIC`, `RECORD_TAMPERED`;
    /// `AUDIT_TAMPERED`; `LIMIT_EXCEEDED` beyond 10,000 secrets or 64 MiB; `INVALID_ARGUMENT` for a name that is there twice.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use strongroom::store::{MemoryStore, drive};
    /// # use strongroom::{Actor, Entropy, Keyring, Result, SecretBytes, Timestamp, Vault, VaultOptions};
    /// # struct Counting(u8);
    /// # impl Entropy for Counting {
    /// #     fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
    /// #         buffer.fill_with(|| { self.0 = self.0.wrapping_add(97); self.0 });
    /// #         Ok(())
    /// #     }
    /// # }
    /// use strongroom::ident::Slot;
    /// use strongroom::ops::{Exports, ImportOptions, WithHistory};
    /// # let (mut store, mut other_store) = (MemoryStore::new(), MemoryStore::new());
    /// # let now = || Timestamp::from_millis(0);
    /// # let make = |seed| Keyring::generate(&mut Counting(seed), now()).and_then(|ring| Vault::new(Arc::new(ring), VaultOptions::default()));
    /// # let (vault, other) = (make(1)?, make(2)?);
    /// # let entropy = || Box::new(Counting(3));
    /// let alice = Actor::new("alice")?;
    /// let value = SecretBytes::copy_of(b"sk_test_abc123").into();
    /// drive(vault.set(&alice, &Slot::parse(None, "STRIPE")?, (value, Default::default()), entropy()), &mut store, now)?;
    /// let flow = vault.export(&alice, (Exports::All, WithHistory::Yes), entropy())?;
    /// let exported = drive(flow, &mut store, now)?;
    ///
    /// let mut flow = other.import(&alice, ImportOptions::default(), entropy());
    /// flow.offer(exported.archive);
    /// let report = drive(flow, &mut other_store, now)?;
    /// assert_eq!((report.secrets.len(), report.events), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export(
        &self,
        actor: &Actor,
        (exports, history): (Exports, WithHistory),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Exported>> {
        match &exports {
            // A namespace is parsed as that of any name.
            Exports::Namespace(namespace) => drop(Slot::parse_stored(Some(namespace), "any")?),
            Exports::Secrets(slots) if slots.len() > crate::archive::ARCHIVE_SECRETS_MAX => {
                return Err(invalid("there are too many names: export at most 10000 secrets at a time"));
            }
            _ => {}
        }
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        Ok(self.flow(entropy, move |io| async move { ops::export(&io, &settings, &actor, (&exports, history)).await }))
    }

    /// Imports the archive that is offered ([`Flow::offer`]) before the first step, all or nothing: its secrets are sealed
    /// under this vault's primary key, new ones with all their versions, those that are there with another one, and their
    /// history comes along as a closed stream. An example is at [`Vault::export`]. Errors of the flow: `BACKUP_INVALID`,
    /// `NAME_INVALID`, `LIMIT_EXCEEDED` for what is no good archive; all problems of its secrets in one: `SECRET_EXISTS`,
    /// `VALUE_INVALID`, `VERSION_COMPROMISED`, `SECRET_EXPIRED`.
    pub fn import(&self, actor: &Actor, options: ImportOptions, entropy: Box<dyn Entropy>) -> Flow<ImportReport> {
        self.import_sealed(actor, (options, Box::new(ops::opened)), entropy)
    }

    /// [`Vault::import`] of an archive that a host has sealed, such as in an age file. `open` makes the archive of what was offered
    /// before the first step, and is called only where the actor may import anything at all: it may take a second, and much
    /// memory. Errors of the flow besides: those of `open`.
    pub fn import_sealed(
        &self,
        actor: &Actor,
        (options, open): (ImportOptions, Opening),
        entropy: Box<dyn Entropy>,
    ) -> Flow<ImportReport> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, move |io| async move { ops::import(&io, &settings, &actor, (options, open)).await })
    }
}
