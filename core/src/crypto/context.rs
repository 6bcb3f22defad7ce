//! What a sealed value is bound to: the place that it belongs in and nothing else.

use super::KeyId;
use crate::encoding::Encoder;
use alloc::vec::Vec;

/// What a sealed value is for. Values of one purpose never open as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An application's own data, outside a vault.
    Data,
    /// A secret's value.
    Secret,
    /// A proposed value that waits for its confirmation.
    Pending,
    /// The vault root.
    VaultRoot,
    /// A keyring, or the data key that it is sealed under.
    Wrap,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Purpose::Data => "data",
            Purpose::Secret => "secret",
            Purpose::Pending => "pending",
            Purpose::VaultRoot => "vault-root",
            Purpose::Wrap => "wrap",
        }
    }
}

/// Where a sealed value belongs. It opens only under the same context; absent is distinct from empty.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What the value is for.
    pub purpose: Purpose,
    /// The vault's random id.
    pub vault_id: Option<&'a [u8; 16]>,
    /// The secret's namespace.
    pub namespace: Option<&'a str>,
    /// The secret's name.
    pub name: Option<&'a str>,
    /// The random identity of the secret or proposal.
    pub uid: Option<&'a [u8; 16]>,
    /// The secret's version, or the vault root's epoch.
    pub version: Option<u64>,
    /// The caller's associated data.
    pub associated_data: Option<&'a [u8]>,
}

impl<'a> Context<'a> {
    /// The context of an application's own data: nothing but the caller's associated data.
    ///
    /// ```
    /// use strongroom::crypto::Context;
    /// let context = Context::data(Some(b"user:42"));
    /// assert_eq!(context.associated_data, Some(b"user:42".as_slice()));
    /// ```
    pub const fn data(associated_data: Option<&'a [u8]>) -> Self {
        Context { associated_data, ..Context::of(Purpose::Data) }
    }

    /// A context with a purpose and nothing else.
    pub const fn of(purpose: Purpose) -> Self {
        Context {
            purpose,
            vault_id: None,
            namespace: None,
            name: None,
            uid: None,
            version: None,
            associated_data: None,
        }
    }

    /// The associated data of sealed v1: the canonical encoding of every field, the format and the key id first.
    pub(super) fn encode(&self, key_id: &KeyId) -> Vec<u8> {
        let mut encoder = Encoder::new("sr1");
        encoder
            .field(key_id.as_bytes())
            .text(self.purpose.name())
            .optional(self.vault_id.map(<[u8; 16]>::as_slice))
            .optional_text(self.namespace)
            .optional_text(self.name)
            .optional(self.uid.map(<[u8; 16]>::as_slice))
            .optional_integer(self.version)
            .optional(self.associated_data);
        encoder.finish()
    }
}
