//! Grants: a permission on one secret, given to one user or role, for good or until a time.

use super::{Holder, Permission};
use crate::error::{Error, ErrorCode, Result};
use crate::ident::Actor;
use crate::time::Timestamp;
use crate::wire::{Fault, FromJson, Json, read_fields, tagged, unknown};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// Who is given a permission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantee {
    /// One user, by id.
    User(String),
    /// Whoever has that role, by the host's word or by the policy's `members`.
    Role(String),
}

impl FromJson for Grantee {
    fn from_json(value: Json) -> Result<Self, Fault> {
        match tagged(value)? {
            (tag, Json::Text(user)) if tag == "user" => Ok(Grantee::User(user)),
            (tag, Json::Text(role)) if tag == "role" => Ok(Grantee::Role(role)),
            _ => Err(unknown()),
        }
    }
}

/// A grant, as the record of its secret keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// Its id among the secret's grants.
    pub id: String,
    /// To whom.
    pub to: Grantee,
    /// What: `read`, `write`, `delete`. A grant of anything else has no effect.
    pub actions: Vec<Permission>,
    /// From this instant on it gives nothing any more; none: it does not end.
    pub until: Option<Timestamp>,
    /// Who gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: Timestamp,
}

read_fields!(Grant { id, to, actions, until, granted_by, granted_at });

impl Grant {
    /// Whether it can be given as it stands: 1 to 256 bytes without control characters for whom it is; at least one
    /// action, each once and [grantable](Permission::is_grantable); an end after `granted_at`. A grant that was stored is
    /// not asked again: what is wrong in it has no effect. Errors: `INVALID_ARGUMENT`.
    pub fn check(&self) -> Result<()> {
        let (Grantee::User(name) | Grantee::Role(name)) = &self.to;
        if !is_who(name) {
            return refused(&format!("the user or role of a grant {WHO_RULE}"));
        }
        if self.actions.is_empty() {
            return refused("a grant needs an action: use read, write or delete");
        }
        for (index, action) in self.actions.iter().enumerate() {
            if !action.is_grantable() {
                let name = action.name();
                return refused(&format!("{name} can't be granted on a secret: give it by a rule of the policy"));
            }
            if self.actions.iter().take(index).any(|earlier| earlier == action) {
                return refused("a grant names an action twice: name each once");
            }
        }
        if self.until.is_some_and(|until| until <= self.granted_at) {
            return refused("a grant would have ended before it was given: give a later time");
        }
        Ok(())
    }

    pub(super) fn gives(&self, permission: Permission, now: Timestamp) -> bool {
        permission.is_grantable() && self.actions.contains(&permission) && self.until.is_none_or(|until| now < until)
    }

    pub(super) fn is_for(&self, holder: &Holder<'_>) -> bool {
        match &self.to {
            Grantee::User(user) => user == holder.subject.user,
            Grantee::Role(role) => holder.has_role(role),
        }
    }
}

/// Whether a text can be a user id or a role: as wide as the ids of actors.
pub(super) fn is_who(text: &str) -> bool {
    !text.is_empty() && text.len() <= Actor::MAX && !text.chars().any(char::is_control)
}

pub(super) const WHO_RULE: &str = "must have 1 to 256 bytes and no control characters";

fn refused(why: &str) -> Result<()> {
    Err(Error::new(ErrorCode::InvalidArgument, String::from(why)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read;
    use alloc::string::ToString;
    use alloc::vec;

    fn grant() -> Grant {
        Grant {
            id: "g1".into(),
            to: Grantee::User("bob".into()),
            actions: vec![Permission::Read, Permission::Write],
            until: Some(Timestamp::from_millis(1_000)),
            granted_by: "alice".into(),
            granted_at: Timestamp::from_millis(500),
        }
    }

    #[test]
    fn a_grant_is_read_back_as_it_was_written() {
        let written = concat!(
            r#"{"id":"g1","to":{"user":"bob"},"actions":["read","write"],"until":1000,"#,
            r#""granted_by":"alice","granted_at":500}"#,
        );
        let endless = Grant { to: Grantee::Role("analyst".into()), until: None, ..grant() };
        assert_eq!(serde_json::to_string(&grant()).unwrap(), written);
        for grant in [grant(), endless] {
            assert_eq!(read::<Grant>(&serde_json::to_string(&grant).unwrap()), Ok(grant));
        }
    }

    #[test]
    fn other_shapes_of_a_grant_are_refused() {
        let whole = serde_json::to_string(&grant()).unwrap();
        let changes = [
            (r#"{"user":"bob"}"#, r#"{"user":"bob","role":"analyst"}"#),
            (r#"{"user":"bob"}"#, r#"{"group":"bob"}"#),
            (r#"{"user":"bob"}"#, r#"{"user":null}"#),
            (r#"{"user":"bob"}"#, r#""user""#),
            (r#"["read","write"]"#, r#"["*"]"#),
            (r#"["read","write"]"#, r#""read""#),
            ("1000", "1000.5"),
            (r#""id":"g1","#, ""),
            (r#""id":"g1""#, r#""id":"g1","ids":"g1""#),
        ];
        for (from, to) in changes {
            let changed = whole.replace(from, to);
            assert_ne!(changed, whole);
            assert!(read::<Grant>(&changed).is_err(), "{changed}");
        }
    }

    #[test]
    fn what_cannot_be_granted_is_said_and_not_repeated() {
        grant().check().unwrap();
        let faulty = [
            (Grant { to: Grantee::User(String::new()), ..grant() }, "must have 1 to 256 bytes"),
            (Grant { to: Grantee::Role("hunter2\n".into()), ..grant() }, "no control characters"),
            (Grant { to: Grantee::Role("hunter2".repeat(40)), ..grant() }, "must have 1 to 256 bytes"),
            (Grant { actions: vec![], ..grant() }, "needs an action"),
            (Grant { actions: vec![Permission::Read, Permission::Admin], ..grant() }, "admin can't be granted"),
            (Grant { actions: vec![Permission::Export], ..grant() }, "export can't be granted"),
            (Grant { actions: vec![Permission::List], ..grant() }, "list can't be granted"),
            (Grant { actions: vec![Permission::Read, Permission::Read], ..grant() }, "twice"),
            (Grant { until: Some(Timestamp::from_millis(500)), ..grant() }, "later time"),
        ];
        for (grant, why) in faulty {
            let error = grant.check().unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(error.message().contains(why), "{error}");
            assert!(!error.message().contains("hunter2"), "{error}");
        }
        assert!(WHO_RULE.contains(&Actor::MAX.to_string()));
    }
}
