//! What is done with the history beyond reading it: checkpoints that are kept elsewhere, and its export.

use super::{Vault, invalid};
use crate::audit::{Checkpoint, ExportFormat};
use crate::entropy::Entropy;
use crate::error::Result;
use crate::flow::Flow;
use crate::ident::Actor;
use crate::keyring::SigningKey;
use crate::ops::{self, AuditReport, Checkpointed, ExportedAudit};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;

impl Vault {
    /// Verifies the whole history and signs where each of its streams stands. Keep the text where those who keep the vault can't
    /// change it; the key is used for this call, and no vault keeps it. Errors of the flow: `AUDIT_TAMPERED`,
    /// `RECORD_TAMPERED`; `LIMIT_EXCEEDED` beyond about 600,000 streams.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use strongroom::audit::Checkpoint;
    /// use strongroom::keyring::SigningKey;
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
    /// let alice = Actor::new("alice")?;
    /// let key = Arc::new(SigningKey::make(&mut *entropy(), "example.com/vault")?);
    /// let kept = drive(vault.checkpoint(&alice, &key, entropy()), &mut store, now)?.checkpoint;
    /// // Later, with nothing but its verifier:
    /// let checkpoint = Checkpoint::parse(&kept, &[key.verifier()])?;
    /// drive(vault.verify_audit_against(&alice, checkpoint, entropy()), &mut store, now)?;
    /// # Ok::<(), strongroom::store::Failed<core::convert::Infallible>>(())
    /// ```
    pub fn checkpoint(&self, actor: &Actor, key: &Arc<SigningKey>, entropy: Box<dyn Entropy>) -> Flow<Checkpointed> {
        let (settings, actor, key) = (Arc::clone(&self.settings), actor.clone(), Arc::clone(key));
        self.flow(entropy, |io| async move { ops::checkpoint(&io, &settings, &actor, &key).await })
    }

    /// Verifies the whole history, in which every leaf of the checkpoint must still occur. Errors of the flow:
    /// `AUDIT_TAMPERED`, also when the checkpoint is of another vault; it names the stream, the place, and why.
    pub fn verify_audit_against(
        &self,
        actor: &Actor,
        checkpoint: Checkpoint,
        entropy: Box<dyn Entropy>,
    ) -> Flow<AuditReport> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::verify_audit(&io, &settings, &actor, Some(&checkpoint)).await })
    }

    /// A page of the whole history, of 1 to 5000 events, from where the page before ended: lines of JSON, stream by stream and
    /// oldest first, then the old rows of an adopted store. Each page is recorded. Errors: `INVALID_ARGUMENT`; of the flow:
    /// `AUDIT_TAMPERED`, and `INVALID_ARGUMENT` for a place where no page ended.
    pub fn export_audit(
        &self,
        actor: &Actor,
        format: ExportFormat,
        (after, limit): (Option<&str>, u32),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<ExportedAudit>> {
        if !(1..=ops::EXPORT_PAGE_MAX).contains(&limit) {
            return Err(invalid(&format!("a page takes 1 to {} events", ops::EXPORT_PAGE_MAX)));
        }
        let (settings, actor, after) = (Arc::clone(&self.settings), actor.clone(), after.map(ToString::to_string));
        Ok(self.flow(entropy, move |io| async move {
            ops::export_audit(&io, &settings, &actor, format, (after.as_deref(), limit)).await
        }))
    }
}
