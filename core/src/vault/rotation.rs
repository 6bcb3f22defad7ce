//! What is to be rotated, whose values there are, and what is done when they leak.

use super::{Vault, invalid};
use crate::entropy::Entropy;
use crate::error::Result;
use crate::flow::Flow;
use crate::ident::{Actor, Slot};
use crate::ops::{self, Due, Identified, RotationReport, Sweep, Swept, WithoutGenerator};
use crate::secret::SecretBytes;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

/// The furthest that [`Vault::rotation_status`] and [`Vault::due`] look ahead, in milliseconds.
const AHEAD_LIMIT: i64 = 366 * 24 * 60 * 60 * 1000;

/// What an emergency is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaked {
    /// One secret.
    Secret(Slot),
    /// Every secret of a namespace.
    Namespace(String),
    /// Every secret of the vault.
    All,
}

impl Vault {
    /// Tells which values are due for rotation, of a namespace or of all; due soon looks `ahead_millis` ahead, 0 to 366
    /// days. Errors: `NAME_INVALID`, `INVALID_ARGUMENT`.
    pub fn rotation_status(
        &self,
        actor: &Actor,
        namespace: Option<&str>,
        ahead_millis: i64,
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<RotationReport>> {
        check_ahead(ahead_millis)?;
        let (settings, actor, namespace) = self.own_namespace(actor, namespace)?;
        Ok(self.flow(entropy, move |io| async move {
            ops::rotation_status(&io, &settings, &actor, namespace.as_deref(), ahead_millis).await
        }))
    }

    /// Tells which secrets are due within `ahead_millis`, 0 to 366 days, the longest due first, and records those that are
    /// overdue. Errors: `NAME_INVALID`, `INVALID_ARGUMENT`.
    pub fn due(
        &self,
        actor: &Actor,
        namespace: Option<&str>,
        ahead_millis: i64,
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Due>> {
        check_ahead(ahead_millis)?;
        let (settings, actor, namespace) = self.own_namespace(actor, namespace)?;
        Ok(self.flow(entropy, move |io| async move {
            ops::due(&io, &settings, &actor, namespace.as_deref(), ahead_millis).await
        }))
    }

    /// Tells whose value a presented one is, among the secrets of a namespace or of all that the actor may read. Errors:
    /// `NAME_INVALID`.
    pub fn identify(
        &self,
        actor: &Actor,
        namespace: Option<&str>,
        presented: SecretBytes,
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Identified>> {
        let (settings, actor, namespace) = self.own_namespace(actor, namespace)?;
        Ok(self.flow(entropy, |io| async move {
            ops::identify(&io, &settings, &actor, namespace.as_deref(), &presented).await
        }))
    }

    /// Rotates the secrets that are due, of a namespace or of all, by their generators: a page of 1 to 500, from where the page
    /// before ended; the old values are accepted for the grace. Errors: `NAME_INVALID`, `INVALID_ARGUMENT`.
    pub fn rotate_due(
        &self,
        actor: &Actor,
        (namespace, grace_millis): (Option<&str>, Option<u64>),
        page: (Option<&str>, u32),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Swept>> {
        self.sweep(actor, (Sweep::Due { grace_millis }, namespace), page, entropy)
    }

    /// The same with all secrets, due or not.
    pub fn rotate_all(
        &self,
        actor: &Actor,
        (namespace, grace_millis): (Option<&str>, Option<u64>),
        page: (Option<&str>, u32),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Swept>> {
        self.sweep(actor, (Sweep::All { grace_millis }, namespace), page, entropy)
    }

    /// Rotates what leaked: at once, without grace. Every value from before is compromised: no operation gives, accepts or
    /// brings it back. Proposals are cancelled. A page of 1 to 500 secrets, from where the page before ended. Errors:
    /// `NAME_INVALID`, `INVALID_ARGUMENT`; of the flow: `SECRET_NOT_FOUND`.
    pub fn emergency_rotate(
        &self,
        actor: &Actor,
        (leaked, without): (Leaked, WithoutGenerator),
        page: (Option<&str>, u32),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Swept>> {
        let namespace = match &leaked {
            Leaked::Secret(slot) => {
                let (settings, actor, slot) = self.own(actor, slot);
                return Ok(self.flow(entropy, move |io| async move {
                    ops::emergency_rotate_one(&io, &settings, &actor, (&slot, without)).await
                }));
            }
            Leaked::Namespace(namespace) => Some(namespace.as_str()),
            Leaked::All => None,
        };
        self.sweep(actor, (Sweep::Emergency(without), namespace), page, entropy)
    }

    fn sweep(
        &self,
        actor: &Actor,
        (sweep, namespace): (Sweep, Option<&str>),
        (after, limit): (Option<&str>, u32),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Swept>> {
        if !(1..=ops::SWEEP_PAGE_MAX).contains(&limit) {
            return Err(invalid(&format!("a page takes 1 to {} secrets", ops::SWEEP_PAGE_MAX)));
        }
        if let Sweep::Due { grace_millis } | Sweep::All { grace_millis } = sweep {
            ops::check_grace(grace_millis)?;
        }
        let (settings, actor, namespace) = self.own_namespace(actor, namespace)?;
        let after = after.map(ToString::to_string);
        Ok(self.flow(entropy, move |io| async move {
            let which = (sweep, namespace.as_deref());
            ops::sweep(&io, &settings, &actor, which, (after.as_deref(), limit)).await
        }))
    }
}

fn check_ahead(ahead_millis: i64) -> Result<()> {
    if (0..=AHEAD_LIMIT).contains(&ahead_millis) {
        return Ok(());
    }
    Err(invalid("due soon looks 0 to 366 days ahead"))
}
