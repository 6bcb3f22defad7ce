//! Configuration that refers to secrets.

use super::Vault;
use crate::entropy::Entropy;
use crate::error::Result;
use crate::flow::Flow;
use crate::ident::{Actor, Slot};
use crate::ops::{self, References, Resolved};
use crate::wire::Json;
use alloc::boxed::Box;

impl Vault {
    /// Finds what the references in a tree stand for: `secret:KEY` a secret, of the given namespace when it names none,
    /// `env:VAR` a variable or, where `VAR_FILE` names one that exists, a file without the white space around it,
    /// `file:PATH` a file, `plain:TEXT` that text. All other texts stand for themselves and are left out; nothing of the tree
    /// is kept. Variables and files take a host that has some: see [`drive_with`](crate::store::drive_with).
    ///
    /// Errors: `REFERENCE_INVALID`, `LIMIT_EXCEEDED`, `INVALID_ARGUMENT` as [`find`](crate::reference::find) has them;
    /// `LIMIT_EXCEEDED` for more than 500 different secrets, variables or files; `NAME_INVALID`. Of the flow:
    /// `REFERENCE_UNRESOLVED`, one for all references that stand for nothing, with the places of the first 20.
    ///
    /// ```
    /// use strongroom::ops::ResolvedValue;
    /// # use std::sync::Arc;
    /// # use strongroom::ident::Slot;
    /// # use strongroom::ops::Setting;
    /// # use strongroom::store::{MemoryStore, drive};
    /// # use strongroom::{Actor, Keyring, SecretBytes, Timestamp, Vault, VaultOptions};
    /// # struct Counting(u64);
    /// # impl strongroom::Entropy for Counting {
    /// #     fn fill(&mut self, buffer: &mut [u8]) -> strongroom::Result<()> {
    /// #         self.0 += 1;
    /// #         buffer.iter_mut().zip(self.0.to_be_bytes()).for_each(|(to, from)| *to = from);
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn os_entropy() -> Box<dyn strongroom::Entropy> { Box::new(Counting(0)) }
    /// # fn now() -> Timestamp { Timestamp::from_millis(1_700_000_000_000) }
    /// # let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
    /// # let vault = Vault::new(Arc::new(keyring), VaultOptions::default())?;
    /// # let (alice, slot) = (Actor::new("alice")?, Slot::parse(None, "DB_PASSWORD")?);
    /// # let mut store = MemoryStore::new();
    /// # let value = SecretBytes::copy_of(b"hunter2");
    /// # drive(vault.set(&alice, &slot, (value.into(), Setting::default()), os_entropy()), &mut store, now)?;
    /// let tree = strongroom::wire::read(r#"{"db": {"user": "app", "password": "secret:DB_PASSWORD"}}"#).unwrap();
    /// let resolved = drive(vault.resolve(&alice, (&tree, None), os_entropy())?, &mut store, now)?;
    /// assert_eq!(resolved.texts[0].place.to_string(), "db.password");
    /// let ResolvedValue::Secret(secret) = &resolved.values[resolved.texts[0].value] else { panic!() };
    /// assert_eq!(secret.value.expose(), b"hunter2");
    /// # Ok::<(), strongroom::store::Failed<core::convert::Infallible>>(())
    /// ```
    pub fn resolve(
        &self,
        actor: &Actor,
        (tree, namespace): (&Json, Option<&str>),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Resolved>> {
        let (settings, actor, namespace) = self.own_namespace(actor, namespace)?;
        // As references have them: no names but today's.
        if let Some(namespace) = &namespace {
            Slot::parse(Some(namespace), "any")?;
        }
        let references = References::of(tree, namespace.as_deref())?;
        Ok(self.flow(entropy, |io| async move { ops::resolve(&io, &settings, &actor, references).await }))
    }
}
