//! The policy: who may do what to which secrets. What no rule allows is denied.
//!
//! A rule gives actions to roles and users, over namespaces and names that its patterns match. The first rule that
//! allows a call is the one that the decision carries; a rule can't take away what another one gives. A subject has the
//! roles that the host vouches for, and those that the policy's `members` list for the user. Besides, a secret's record
//! can carry [`Grant`]s, for that secret alone.
//!
//! ```json
//! {
//!   "rules": [
//!     {"id": "engineers-read", "roles": ["engineer", "analyst"], "actions": ["read"], "namespaces": ["*"]},
//!     {"id": "bot-tokens", "users": ["deploy-bot"], "actions": ["read", "write"], "names": ["telegram/*", "*.token"]},
//!     {"id": "owners", "roles": ["senior-engineer"], "actions": ["*"]}
//!   ],
//!   "members": {"alice": ["senior-engineer"]}
//! }
//! ```
//!
//! `namespaces` and `names` that are left out are `["*"]`. In a pattern `*` is any run of characters, `/` and `.` among
//! them, and `?` exactly one; everything else is itself, upper and lower case apart. Roles and user ids are compared
//! byte for byte.
//!
//! The engine is pure: it decides and does nothing. It binds code that calls through the vault; whoever holds the keyring
//! and the store is beyond it.

mod builtin;
mod glob;
mod grant;
mod shape;

pub use grant::{Grant, Grantee};

use crate::error::{Error, ErrorCode};
use crate::ident::Slot;
use crate::time::Timestamp;
use crate::wire::read_names;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use glob::Glob;
use serde::Serialize;

/// What can be allowed. Which operation needs which is the operation's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Use a secret whose name is known: its value, its versions, its history.
    Read,
    /// Create secrets, and change them and their state.
    Write,
    /// See which secrets there are.
    List,
    /// Delete secrets.
    Delete,
    /// Take every value out of the vault at once.
    Export,
    /// Change who may do what, the keys, and the vault itself.
    Admin,
}

read_names!(Permission {
    "read" => Read,
    "write" => Write,
    "list" => List,
    "delete" => Delete,
    "export" => Export,
    "admin" => Admin,
});

impl Permission {
    /// Every permission, in order.
    pub const ALL: [Permission; 6] = [
        Permission::Read,
        Permission::Write,
        Permission::List,
        Permission::Delete,
        Permission::Export,
        Permission::Admin,
    ];

    /// The name on the wire, such as `read`.
    pub const fn name(self) -> &'static str {
        match self {
            Permission::Read => "read",
            Permission::Write => "write",
            Permission::List => "list",
            Permission::Delete => "delete",
            Permission::Export => "export",
            Permission::Admin => "admin",
        }
    }

    /// The permission of that wire name.
    ///
    /// ```
    /// use strongroom::policy::Permission;
    /// assert_eq!(Permission::from_name("read"), Some(Permission::Read));
    /// assert_eq!(Permission::from_name("Read"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Permission> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }

    /// Whether a [`Grant`] can give it: `list`, `export` and `admin` reach beyond one secret, and only rules give them.
    pub const fn is_grantable(self) -> bool {
        matches!(self, Permission::Read | Permission::Write | Permission::Delete)
    }
}

/// Who asks: a user id, and the roles that the host vouches for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user, as the host knows it.
    pub user: &'a str,
    /// The host's word for the user's roles; the policy's `members` may add to them.
    pub roles: &'a [String],
}

/// What the permission is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The whole vault. A single rule must cover it, with `*` among its namespaces and among its names: rules that only
    /// together leave nothing out are not enough.
    Vault,
    /// Something in a namespace, such as listing it. A rule for some of its names is enough, so the answer allows no more
    /// than to go on and ask for each secret.
    Namespace(&'a str),
    /// Something anywhere. Any rule that gives the permission is enough; each secret is to be asked for then.
    AnyNamespace,
    /// One secret, which need not exist.
    Secret {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
}

impl<'a> From<&'a Slot> for Scope<'a> {
    fn from(slot: &'a Slot) -> Self {
        Scope::Secret { namespace: slot.namespace(), name: slot.name() }
    }
}

/// Whether a call is allowed, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// Whether it is.
    pub allowed: bool,
    /// The id of the first rule that allows it, or `grant:` and the id of a grant. None when it is denied.
    pub rule: Option<String>,
}

impl Decision {
    /// What nothing allows.
    pub const DENIED: Decision = Decision { allowed: false, rule: None };

    fn by(rule: String) -> Decision {
        Decision { allowed: true, rule: Some(rule) }
    }

    /// The error of a denial: `PERMISSION_DENIED`. It names the permission, and of the secret no more than the slot, which
    /// is to be given only when there is a secret of that name, or was: any other name may be a value that was pasted in
    /// its place. That an error names it tells the subject that it exists.
    ///
    /// ```
    /// use strongroom::ident::Slot;
    /// use strongroom::policy::{Decision, Permission};
    /// let slot = Slot::parse(Some("nexus"), "mcp.bun.apiKey")?;
    /// let error = Decision::refusal(Permission::Write, Some(&slot));
    /// assert!(error.message().starts_with("permission denied: write on nexus:mcp.bun.apiKey"));
    /// assert!(Decision::refusal(Permission::List, None).message().starts_with("permission denied: list is"));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn refusal(permission: Permission, known: Option<&Slot>) -> Error {
        let on = known.map(|slot| format!(" on {slot}")).unwrap_or_default();
        let name = permission.name();
        let message = format!(
            "permission denied: {name}{on} is not allowed to this actor: ask someone who may, or ask for a rule or grant"
        );
        Error::new(ErrorCode::PermissionDenied, message)
    }
}

/// Rules in order, and the roles of users. Make one by [`Policy::parse`], [`Policy::default_roles`] or
/// [`Policy::empty`].
///
/// ```
/// use strongroom::policy::{Permission, Policy, Scope, Subject};
/// let policy = Policy::parse(
///     r#"{
///         "rules": [{"id": "bots", "roles": ["bot"], "actions": ["read"], "namespaces": ["telegram"]}],
///         "members": {"deploy": ["bot"]}
///     }"#,
/// )?;
/// let deploy = Subject { user: "deploy", roles: &[] };
/// let token = |namespace| Scope::Secret { namespace, name: "bot.token" };
/// let decision = policy.decide(deploy, Permission::Read, token("telegram"));
/// assert_eq!((decision.allowed, decision.rule.as_deref()), (true, Some("bots")));
/// assert!(!policy.decide(deploy, Permission::Write, token("telegram")).allowed);
/// assert!(!policy.decide(deploy, Permission::Read, token("github")).allowed);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    rules: Vec<Rule>,
    /// Sorted by user, each once.
    #[serde(serialize_with = "shape::members_map")]
    members: Vec<(String, Vec<String>)>,
}

/// One rule. It holds somebody, an action, a namespace and a name at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Rule {
    id: String,
    roles: Vec<String>,
    users: Vec<String>,
    actions: Actions,
    namespaces: Vec<Glob>,
    names: Vec<Glob>,
}

/// What a rule gives. All is not the list of all: it also takes in what a later release adds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Actions {
    All,
    /// Sorted, each once.
    Only(Vec<Permission>),
}

impl Policy {
    /// No rules: everything is denied.
    pub const fn empty() -> Policy {
        Policy { rules: Vec::new(), members: Vec::new() }
    }

    /// Whether a subject may, by the rules alone.
    pub fn decide(&self, subject: Subject<'_>, permission: Permission, scope: Scope<'_>) -> Decision {
        self.decide_with_grants(subject, permission, scope, &[], Timestamp::from_millis(0))
    }

    /// Whether a subject may, counting the grants that the record of a secret carries. Rules come first, then grants in
    /// their order. Grants speak for their own secret alone: for every other scope they are passed over, and so is
    /// whatever they claim to give beyond [`Permission::is_grantable`].
    ///
    /// ```
    /// use strongroom::Timestamp;
    /// use strongroom::policy::{Grant, Grantee, Permission, Policy, Scope, Subject};
    /// let noon = Timestamp::from_millis(1_765_108_800_000);
    /// let grant = Grant {
    ///     id: "g1".into(),
    ///     to: Grantee::User("bob".into()),
    ///     actions: vec![Permission::Read],
    ///     until: Some(noon.plus_millis(3_600_000)),
    ///     granted_by: "alice".into(),
    ///     granted_at: noon,
    /// };
    /// let bob = Subject { user: "bob", roles: &[] };
    /// let secret = Scope::Secret { namespace: "default", name: "STRIPE_API_KEY" };
    /// let at = |now| Policy::empty().decide_with_grants(bob, Permission::Read, secret, &[grant.clone()], now);
    /// assert_eq!(at(noon).rule.as_deref(), Some("grant:g1"));
    /// assert!(!at(noon.plus_millis(3_600_000)).allowed);
    /// ```
    pub fn decide_with_grants(
        &self,
        subject: Subject<'_>,
        permission: Permission,
        scope: Scope<'_>,
        grants: &[Grant],
        now: Timestamp,
    ) -> Decision {
        let holder = Holder { subject, listed: self.listed_roles(subject.user) };
        for rule in &self.rules {
            if rule.gives(permission) && rule.is_for(&holder) && rule.reaches(scope) {
                return Decision::by(rule.id.clone());
            }
        }
        if !matches!(scope, Scope::Secret { .. }) {
            return Decision::DENIED;
        }
        match grants.iter().find(|grant| grant.gives(permission, now) && grant.is_for(&holder)) {
            Some(grant) => Decision::by(format!("grant:{}", grant.id)),
            None => Decision::DENIED,
        }
    }

    fn listed_roles(&self, user: &str) -> &[String] {
        let place = self.members.binary_search_by(|(member, _)| member.as_str().cmp(user));
        place.ok().and_then(|place| self.members.get(place)).map_or(&[], |(_, roles)| roles)
    }
}

/// A subject with the roles that the policy adds.
struct Holder<'a> {
    subject: Subject<'a>,
    listed: &'a [String],
}

impl Holder<'_> {
    fn has_role(&self, role: &str) -> bool {
        self.subject.roles.iter().chain(self.listed).any(|held| held == role)
    }
}

impl Rule {
    fn gives(&self, permission: Permission) -> bool {
        match &self.actions {
            Actions::All => true,
            Actions::Only(actions) => actions.contains(&permission),
        }
    }

    fn is_for(&self, holder: &Holder<'_>) -> bool {
        self.users.iter().any(|user| user == holder.subject.user) || self.roles.iter().any(|role| holder.has_role(role))
    }

    fn reaches(&self, scope: Scope<'_>) -> bool {
        match scope {
            Scope::Vault => [&self.namespaces, &self.names].into_iter().all(|globs| globs.iter().any(Glob::is_any)),
            Scope::Namespace(namespace) => any_matches(&self.namespaces, namespace),
            Scope::AnyNamespace => true,
            Scope::Secret { namespace, name } => {
                any_matches(&self.namespaces, namespace) && any_matches(&self.names, name)
            }
        }
    }
}

fn any_matches(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}
