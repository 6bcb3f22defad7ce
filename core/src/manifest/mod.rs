//! The manifest: what an application needs, of which form, in which environment.
//!
//! It holds rules and no values: a secret's value has no place in it, only plain settings may have a default. It is read
//! strictly from a tree that a host parsed from YAML, JSON or TOML, and every mistake in it is told in one error.
//!
//! ```
//! use strongroom::manifest::{Manifest, check_value};
//! use strongroom::wire::{Json, read};
//! let tree: Json = read(r#"{"version": 1, "entries": [{"name": "POSTGRES_PASSWORD", "minimum_length": 16}]}"#).unwrap();
//! let manifest = Manifest::read(tree)?;
//! let weak = check_value(&manifest.entries()[0], b"your_password_here!");
//! assert_eq!(weak[0].name(), "placeholder");
//! # Ok::<(), strongroom::Error>(())
//! ```

mod example;
mod pattern;
mod placeholder;
mod read;
mod weakness;

pub use example::dotenv_example;
pub use pattern::Pattern;
pub use placeholder::PlaceholderRule;
pub use weakness::{Weakness, check_value};

use crate::error::{Error, ErrorCode, Result};
use crate::generate::{CharacterClass, Generator};
use crate::ident::Slot;
use crate::rotation::Sensitivity;
use crate::wire::Json;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// How many entries a manifest may have.
pub const ENTRIES_MAX: usize = 10_000;

/// A manifest that was read: no two entries are for the same name in the same environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    environments: Vec<String>,
    entries: Vec<Entry>,
}

impl Manifest {
    /// Reads `{"version": 1, "namespace"?, "environments"?, "entries": [...]}`; the fields of an entry are those of
    /// [`Entry`]. `namespace` holds for the entries that name none; when `environments` is there, entries name no others.
    ///
    /// Errors: `MANIFEST_INVALID`, one for everything that is wrong, naming entries and fields, the first 20 and their
    /// number; `LIMIT_EXCEEDED` for more than 10,000 entries.
    ///
    /// ```
    /// use strongroom::manifest::Manifest;
    /// use strongroom::wire::{Json, read};
    /// let tree: Json = read(r#"{"version": 1, "entries": [{"name": "A", "kind": "sekret"}]}"#).unwrap();
    /// let error = Manifest::read(tree).unwrap_err();
    /// assert_eq!(error.message(), "1 mistake in the manifest: entries[0] (A): `kind`: it must be one of secret, plain");
    /// ```
    pub fn read(tree: Json) -> Result<Manifest> {
        read::manifest(tree)
    }

    /// The entries, in the order of the manifest.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The environments that the manifest declares; none when it leaves them open.
    pub fn environments(&self) -> &[String] {
        &self.environments
    }

    /// Whether there is such an environment. Errors: `INVALID_ARGUMENT` when the manifest declares others.
    pub fn check_environment(&self, environment: &str) -> Result<()> {
        if self.environments.is_empty() || self.environments.iter().any(|declared| declared == environment) {
            return Ok(());
        }
        let declared = self.environments.join(", ");
        let message = format!("the manifest has no such environment: it declares {declared}");
        Err(Error::new(ErrorCode::InvalidArgument, message))
    }
}

/// One thing that an application needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// `name` and `namespace`: the slot of a secret; for what stands in the environment, its name is the variable's.
    pub slot: Slot,
    /// `environments`: those it is needed in; nothing means all.
    pub environments: Option<Vec<String>>,
    /// `kind`: `secret` or `plain`; by default a secret.
    pub kind: Kind,
    /// `type`: `text`, `int`, `bool` or `url`; by default text.
    pub value_type: ValueType,
    /// `default`: what holds when there is no value, as text. Plain entries alone have one.
    pub default: Option<String>,
    /// `required`: whether it is a fault when there is no value and no default; by default it is.
    pub required: bool,
    /// `pattern`: what the whole value has to look like.
    pub pattern: Option<Pattern>,
    /// `minimum_length`: in characters, 1 to 65,536.
    pub minimum_length: Option<usize>,
    /// `classes`: of each one character at least.
    pub classes: Vec<CharacterClass>,
    /// `sensitivity`: how often a secret is to be rotated.
    pub sensitivity: Option<Sensitivity>,
    /// `generator`: how to make a secret; a name or an object, see [`Generator`].
    pub generator: Option<Generator>,
    /// `note`: for people, up to 4096 bytes.
    pub note: Option<String>,
    /// `notify`: whom to tell, up to 16 contacts.
    pub notify: Vec<String>,
}

impl Entry {
    /// Whether it is needed in an environment; without one, whether it is needed anywhere.
    pub fn is_for(&self, environment: Option<&str>) -> bool {
        match (&self.environments, environment) {
            (Some(own), Some(environment)) => own.iter().any(|name| name == environment),
            _ => true,
        }
    }
}

/// Declares an enum whose variants have names on the wire.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $name:literal => $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)*
        }

        impl $type {
            /// Every one with its name.
            pub(crate) const NAMED: &'static [(&'static str, $type)] = &[$(($name, $type::$variant),)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }
    };
}

named! {
    /// Whether the value is to be kept secret.
    Kind {
        /// In the vault, encrypted.
        "secret" => Secret,
        /// In the environment, for all to see: a host name, a chat id.
        "plain" => Plain,
    }
}

named! {
    /// What a value has to be read as.
    ValueType {
        /// UTF-8.
        "text" => Text,
        /// An integer of 64 bits, in digits, with or without a sign.
        "int" => Int,
        /// `true`, `false`, `yes`, `no`, `on`, `off`, `1` or `0`, in any case.
        "bool" => Bool,
        /// A scheme, `://` and something after it, without white space.
        "url" => Url,
    }
}

const CLASSES: &[(&str, CharacterClass)] = &[
    ("lower", CharacterClass::Lower),
    ("upper", CharacterClass::Upper),
    ("digit", CharacterClass::Digit),
    ("symbol", CharacterClass::Symbol),
];

const SENSITIVITIES: &[(&str, Sensitivity)] = &[
    ("critical", Sensitivity::Critical),
    ("high", Sensitivity::High),
    ("standard", Sensitivity::Standard),
    ("none", Sensitivity::None),
];

#[cfg(test)]
mod tests;
