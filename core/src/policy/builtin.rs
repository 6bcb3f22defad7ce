//! The roles that are built in, for a vault that needs no rules of its own. No other policy knows them.

use super::glob::Glob;
use super::{Actions, Permission, Policy, Rule};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

impl Policy {
    /// Three roles, which the host vouches for: `senior-engineer` may do everything; `engineer` and `analyst` may read a
    /// secret whose name they know, and not see which there are. Hosts call it `Policy.default()`.
    ///
    /// ```
    /// use strongroom::policy::{Permission, Policy, Scope, Subject};
    /// let policy = Policy::default_roles();
    /// let analyst = Subject { user: "ada", roles: &["analyst".to_string()] };
    /// let secret = Scope::Secret { namespace: "nexus", name: "mcp.bun.apiKey" };
    /// assert!(policy.decide(analyst, Permission::Read, secret).allowed);
    /// assert!(!policy.decide(analyst, Permission::Delete, secret).allowed);
    /// assert!(!policy.decide(analyst, Permission::List, Scope::AnyNamespace).allowed);
    /// ```
    pub fn default_roles() -> Policy {
        let everywhere = |id: &str, roles: &[&str], actions| Rule {
            id: id.to_string(),
            roles: roles.iter().map(ToString::to_string).collect(),
            users: Vec::new(),
            actions,
            namespaces: vec![Glob::any()],
            names: vec![Glob::any()],
        };
        Policy {
            rules: vec![
                everywhere("senior-engineers-all", &["senior-engineer"], Actions::All),
                everywhere("engineers-read", &["engineer", "analyst"], Actions::Only(vec![Permission::Read])),
            ],
            members: Vec::new(),
        }
    }
}
