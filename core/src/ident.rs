//! Names that were parsed: the slot of a secret, and who acts on it.
//!
//! Refusals never repeat the text that was given: people paste values where names belong.

use crate::error::{Error, ErrorCode, Result};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The namespace of secrets that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The longest name or namespace that a new secret may have, in characters.
pub const NAME_MAX: usize = 128;

/// The longest name that an old store may hold and still be read, in bytes.
const STORED_NAME_MAX: usize = 4096;

/// Where a secret lives: a namespace and a name. Both together are its key in every store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    namespace: String,
    name: String,
}

impl Slot {
    /// A slot that a new secret may take: 1 to 128 of `A-Z a-z 0-9 _ . - /` in both parts.
    ///
    /// Errors: `NAME_INVALID`, saying which rule was broken and not repeating the text.
    ///
    /// ```
    /// use strongroom::ident::Slot;
    /// assert_eq!(Slot::parse(None, "STRIPE_API_KEY")?.namespace(), "default");
    /// assert!(Slot::parse(None, "two words").is_err());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn parse(namespace: Option<&str>, name: &str) -> Result<Slot> {
        let slot = Slot::parse_stored(namespace, name)?;
        slot.check()?;
        Ok(slot)
    }

    /// A slot that may exist already. An adopted store can hold names beyond today's rules, and they stay usable:
    /// anything of 1 to 4096 bytes without NUL.
    pub fn parse_stored(namespace: Option<&str>, name: &str) -> Result<Slot> {
        let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
        for (what, text) in [("namespace", namespace), ("name", name)] {
            if text.is_empty() {
                return Err(refused(what, "is empty"));
            }
            if text.len() > STORED_NAME_MAX {
                return Err(refused(what, &format!("has {} bytes", text.len())));
            }
            if text.contains('\0') {
                return Err(refused(what, "contains a NUL character"));
            }
        }
        Ok(Slot { namespace: namespace.to_string(), name: name.to_string() })
    }

    /// Whether a new secret may take this slot; `NAME_INVALID` says why not.
    pub fn check(&self) -> Result<()> {
        check_name("namespace", &self.namespace)?;
        check_name("name", &self.name)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Slot {
    /// The name alone in the default namespace, otherwise `namespace:name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace == DEFAULT_NAMESPACE {
            f.write_str(&self.name)
        } else {
            write!(f, "{}:{}", self.namespace, self.name)
        }
    }
}

fn check_name(what: &str, text: &str) -> Result<()> {
    let count = text.chars().count();
    if count > NAME_MAX {
        return Err(refused(what, &format!("has {count} characters")));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    match text.chars().position(|c| !allowed(c)) {
        Some(index) => Err(refused(what, &format!("has another character at position {}", index + 1))),
        None => Ok(()),
    }
}

fn refused(what: &str, why: &str) -> Error {
    Error::new(
        ErrorCode::NameInvalid,
        format!("the {what} {why}: use 1 to {NAME_MAX} of the characters A-Z a-z 0-9 _ . - /"),
    )
}

/// Who calls an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    id: String,
    platform: Option<String>,
    roles: Vec<String>,
    session_expires_at: Option<Timestamp>,
}

impl Actor {
    /// The most roles that an actor comes with.
    pub const ROLES_MAX: usize = 64;

    /// The longest actor id and platform, in bytes.
    pub const MAX: usize = 256;

    /// An actor with an id of 1 to 256 bytes without control characters. Errors: `NAME_INVALID`.
    ///
    /// ```
    /// use strongroom::Actor;
    /// let alice = Actor::new("alice")?.on_platform("telegram")?;
    /// assert_eq!((alice.id(), alice.platform()), ("alice", Some("telegram")));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn new(id: &str) -> Result<Actor> {
        Ok(Actor { id: actor_text("actor id", id)?, platform: None, roles: Vec::new(), session_expires_at: None })
    }

    /// The same actor, speaking through a platform such as `telegram`.
    pub fn on_platform(mut self, platform: &str) -> Result<Actor> {
        self.platform = Some(actor_text("platform", platform)?);
        Ok(self)
    }

    /// The same actor, in the roles that the host vouches for: at most 64, each of 1 to 256 bytes without control
    /// characters. Errors: `NAME_INVALID`, `LIMIT_EXCEEDED`.
    pub fn in_roles(mut self, roles: &[String]) -> Result<Actor> {
        if roles.len() > Actor::ROLES_MAX {
            let message = format!("an actor comes with at most {} roles", Actor::ROLES_MAX);
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        self.roles = roles.iter().map(|role| actor_text("role", role)).collect::<Result<_>>()?;
        Ok(self)
    }

    /// The same actor, with a session that ends at an instant (exclusive: at that millisecond it has ended).
    pub fn until(mut self, session_expires_at: Timestamp) -> Actor {
        self.session_expires_at = Some(session_expires_at);
        self
    }

    /// The id, as the host knows it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The platform, if the host named one.
    pub fn platform(&self) -> Option<&str> {
        self.platform.as_deref()
    }

    /// The roles that the host vouches for.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// When the session ends, if it does.
    pub fn session_expires_at(&self) -> Option<Timestamp> {
        self.session_expires_at
    }
}

fn actor_text(what: &str, text: &str) -> Result<String> {
    if text.is_empty() || text.len() > Actor::MAX || text.chars().any(char::is_control) {
        let rule = format!("the {what} must have 1 to {} bytes and no control characters", Actor::MAX);
        return Err(Error::new(ErrorCode::NameInvalid, rule));
    }
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_within_the_rules_are_taken_and_others_refused_without_being_repeated() {
        let longest = "x".repeat(128);
        for name in ["A", "mcp.bun.apiKey", "prod/db-password_1", &longest] {
            assert!(Slot::parse(Some("nexus"), name).is_ok(), "{name}");
        }
        let too_long = "x".repeat(129);
        let hostile = ["", "a b", "a\nb", "a\0b", "a:b", "\u{e9}", "../\u{202e}", &too_long];
        for name in hostile {
            for slot in [Slot::parse(None, name), Slot::parse(Some(name), "ok")] {
                let error = slot.unwrap_err();
                assert_eq!(error.code(), ErrorCode::NameInvalid);
                assert!(name.len() < 2 || !error.message().contains(name), "{error}");
            }
        }
    }

    #[test]
    fn stored_names_are_read_more_widely() {
        assert!(Slot::parse_stored(None, "my key: \u{e9} \n").is_ok());
        assert!(Slot::parse_stored(None, "a\0").is_err());
        assert!(Slot::parse_stored(None, &"x".repeat(4097)).is_err());
    }

    #[test]
    fn a_slot_shows_its_namespace_only_when_it_is_not_the_default() {
        let shown: Vec<_> =
            [None, Some("nexus")].map(|space| Slot::parse(space, "k").unwrap().to_string()).into_iter().collect();
        assert_eq!(shown, ["k", "nexus:k"]);
    }

    #[test]
    fn actors_have_no_control_characters() {
        for id in ["", "a\nb", &"x".repeat(257)] {
            assert_eq!(Actor::new(id).unwrap_err().code(), ErrorCode::NameInvalid);
        }
    }
}
