//! The rotation by the host's rotator.

use super::Vault;
use crate::entropy::Entropy;
use crate::flow::Flow;
use crate::ident::{Actor, Slot};
use crate::ops::{self, Expiry, Written};
use alloc::boxed::Box;

impl Vault {
    /// Gives an existing secret a new value that the host's rotator makes, in two steps: it creates the value, which is
    /// committed sealed, then it activates it, and then the value is the current one. A run that was cut short anywhere is
    /// resumed by the next, in whichever process: see [`Request::Rotate`](crate::Request::Rotate). The old value is
    /// accepted by verify for `grace_millis` from then on, at most 366 days; the new one ends when `expiry` says, or never.
    ///
    /// Errors of the flow: `SECRET_NOT_FOUND`; `UNSUPPORTED` without a rotator; `ROTATION_FAILED` when it fails, or when
    /// somebody else changed the secret while it activated; `CONFLICT` when somebody did while it created; `VALUE_INVALID`
    /// and `VERSION_COMPROMISED` for what it gave; `INVALID_ARGUMENT`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use strongroom::flow::{Found, RotatorStep};
    /// use strongroom::ident::Slot;
    /// use strongroom::ops::Setting;
    /// use strongroom::store::{MemoryStore, drive};
    /// use strongroom::{Actor, Answer, Keyring, Reply, Request, SecretBytes, Step, Timestamp, Vault, VaultOptions};
    /// # struct Counting;
    /// # static DRAWN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    /// # impl strongroom::Entropy for Counting {
    /// #     fn fill(&mut self, buffer: &mut [u8]) -> strongroom::Result<()> {
    /// #         let drawn = DRAWN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    /// #         buffer.iter_mut().zip(drawn.to_be_bytes()).for_each(|(to, from)| *to = from);
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn os_entropy() -> Box<dyn strongroom::Entropy> { Box::new(Counting) }
    /// # fn now() -> Timestamp { Timestamp::from_millis(1_700_000_000_000) }
    /// # let vault = Vault::new(
    /// #     Arc::new(Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?),
    /// #     VaultOptions::default(),
    /// # )?;
    /// # let (alice, slot, mut store) = (Actor::new("alice")?, Slot::parse(None, "DB_PASSWORD")?, MemoryStore::new());
    /// # let value = SecretBytes::copy_of(b"the first one");
    /// # drive(vault.set(&alice, &slot, (value.into(), Setting::default()), os_entropy()), &mut store, now).unwrap();
    /// let mut flow = vault.rotate_with_rotator(&alice, &slot, Some(60_000), None, os_entropy());
    /// let mut reply = None;
    /// let written = loop {
    ///     let (number, request) = match flow.step(now(), reply.take())? {
    ///         Step::Ask { number, request } => (number, request),
    ///         Step::Done(written) => break written?,
    ///     };
    ///     let answer = match &request {
    ///         Request::Rotate { step: RotatorStep::Create, .. } => {
    ///             flow.offer(SecretBytes::copy_of(b"the next one")); // What the provider issued.
    ///             Answer::Values { found: vec![Found::Given] }
    ///         }
    ///         Request::Rotate { step: RotatorStep::Activate, .. } => {
    ///             let _value = flow.take_shown(); // What the provider is to use from now on.
    ///             Answer::Activated {}
    ///         }
    ///         of_store => store.answer(of_store),
    ///     };
    ///     reply = Some(Reply { number, answer });
    /// };
    /// assert_eq!(written.version, Some(2));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn rotate_with_rotator(
        &self,
        actor: &Actor,
        slot: &Slot,
        grace_millis: Option<u64>,
        expiry: Option<Expiry>,
        entropy: Box<dyn Entropy>,
    ) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        let turn = (grace_millis, expiry.unwrap_or(Expiry::Never));
        self.flow(entropy, move |io| async move { ops::rotate_with_rotator(&io, &settings, &actor, &slot, turn).await })
    }
}
