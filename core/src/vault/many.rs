//! Operations on many secrets.

use super::Vault;
use crate::entropy::Entropy;
use crate::flow::Flow;
use crate::ident::{Actor, Slot};
use crate::manifest::Manifest;
use crate::ops::{self, Assignment, ManifestReport, ManyOptions, PlainValues, Revealed, WrittenMany};
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Vault {
    /// Reads up to 500 values, in the order of the names: one load, one commit, an event and a count for each. One that
    /// can't be had refuses the whole, and the error tells all that is wrong: a name that is there twice is
    /// `INVALID_ARGUMENT`, the others are those of [`Vault::get`].
    pub fn get_many(&self, actor: &Actor, slots: Vec<Slot>, entropy: Box<dyn Entropy>) -> Flow<Vec<Revealed>> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::get_many(&io, &settings, &actor, &slots).await })
    }

    /// Gives up to 500 secrets values, all or none: one load, one commit, an event for each. Errors of the flow, all
    /// problems in one: those of [`Vault::set`]; `SECRET_EXISTS`, `VERSION_COMPROMISED`; `INVALID_ARGUMENT` for a name that
    /// is there twice; `LIMIT_EXCEEDED`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use strongroom::{Actor, Entropy, Keyring, Result, SecretBytes, Timestamp, Vault, VaultOptions, store};
    /// # struct Counting(u8);
    /// # impl Entropy for Counting {
    /// #     fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
    /// #         buffer.fill_with(|| { self.0 = self.0.wrapping_add(97); self.0 });
    /// #         Ok(())
    /// #     }
    /// # }
    /// use strongroom::ident::Slot;
    /// use strongroom::ops::{Assignment, ManyOptions, Setting};
    /// # let entropy = || Box::new(Counting(1));
    /// # let vault = Vault::new(Arc::new(Keyring::generate(&mut Counting(0), Timestamp::from_millis(0))?), VaultOptions::default())?;
    /// # let alice = Actor::new("alice")?;
    /// let value = Some(SecretBytes::copy_of(b"sk_test_abc123").into());
    /// let assignments = vec![Assignment { slot: Slot::parse(None, "STRIPE")?, value, setting: Setting::default() }];
    /// let mut flow = vault.set_many(&alice, (assignments, ManyOptions::default()), entropy());
    /// # let (mut store, mut reply) = (store::MemoryStore::new(), None);
    /// # let done = loop {
    /// #     match flow.step(Timestamp::from_millis(0), reply.take())? {
    /// #         strongroom::Step::Ask { number, request } => reply = Some(strongroom::Reply { number, answer: store.answer(&request) }),
    /// #         strongroom::Step::Done(result) => break result?,
    /// #     }
    /// # };
    /// assert!(done.written[0].created);
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn set_many(
        &self,
        actor: &Actor,
        (assignments, options): (Vec<Assignment>, ManyOptions),
        entropy: Box<dyn Entropy>,
    ) -> Flow<WrittenMany> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, move |io| async move { ops::set_many(&io, &settings, &actor, (assignments, options)).await })
    }

    /// Makes what a manifest asks for in an environment, where there is none and the entry has a generator, and tells how
    /// all its entries stand. Errors of the flow: `INVALID_ARGUMENT` for an environment that it does not have;
    /// `MANIFEST_INVALID` for a generator whose values break the entry's rules; `LIMIT_EXCEEDED` beyond 500 secrets.
    pub fn provision(
        &self,
        actor: &Actor,
        (manifest, environment, plain): (Manifest, Option<&str>, PlainValues),
        entropy: Box<dyn Entropy>,
    ) -> Flow<ManifestReport> {
        let (settings, actor, environment) =
            (Arc::clone(&self.settings), actor.clone(), environment.map(ToString::to_string));
        self.flow(entropy, move |io| async move {
            ops::provision(&io, &settings, &actor, (&manifest, environment.as_deref(), &plain)).await
        })
    }

    /// Tells how the entries of a manifest stand in an environment: which are missing, weak, placeholders, and why. Errors
    /// of the flow: as [`Vault::provision`].
    pub fn check(
        &self,
        actor: &Actor,
        (manifest, environment, plain): (Manifest, Option<&str>, PlainValues),
        entropy: Box<dyn Entropy>,
    ) -> Flow<ManifestReport> {
        let (settings, actor, environment) =
            (Arc::clone(&self.settings), actor.clone(), environment.map(ToString::to_string));
        self.flow(entropy, move |io| async move {
            ops::check(&io, &settings, &actor, (&manifest, environment.as_deref(), &plain)).await
        })
    }
}
