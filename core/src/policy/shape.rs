//! A policy as JSON: read strictly and within bounds, written in one canonical form.
//!
//! Whatever is not understood is refused, since a misspelled field that was passed over could widen a rule.

use super::glob::Glob;
use super::grant::{WHO_RULE, is_who};
use super::{Actions, Permission, Policy, Rule};
use crate::error::{Error, ErrorCode, Result};
use crate::ident::NAME_MAX;
use crate::wire::{self, Fault, Fields, FromJson, Json};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::{Serialize, Serializer};

/// The most bytes of JSON, as given and as written canonically.
const TEXT_MAX: usize = 256 * 1024;
const RULES_MAX: usize = 256;
/// The most roles, users, namespaces and names of a rule, and the most roles of a member.
const LIST_MAX: usize = 64;
const MEMBERS_MAX: usize = 4096;

impl Policy {
    /// A policy from JSON text, whose shape the [module](crate::policy) shows: at most 256 KiB, 256 rules with 64
    /// entries in each list, 4096 members with 64 roles each.
    ///
    /// A rule has a unique id (1 to 128 of `A-Z a-z 0-9 _ . - /`), at least one role or user, at least one action (`read`,
    /// `write`, `list`, `delete`, `export`, `admin`, or `*` for all), and patterns of 1 to 256 of the characters of names,
    /// `*` and `?`. Roles and users have 1 to 256 bytes and no control characters.
    ///
    /// Errors: `INVALID_ARGUMENT`, naming the rule and not repeating the text; `LIMIT_EXCEEDED`.
    ///
    /// ```
    /// use strongroom::policy::Policy;
    /// let misspelled = r#"{"rules": [{"id": "all", "roles": ["dev"], "actions": ["read"], "namespace": ["test"]}]}"#;
    /// let error = Policy::parse(misspelled).unwrap_err();
    /// assert_eq!(error.message(), "the policy is refused: rule `all`: unknown field `namespace`");
    /// ```
    pub fn parse(text: &str) -> Result<Policy> {
        let read = || {
            within("its text", text.len(), TEXT_MAX, "bytes")?;
            read_policy(wire::read(text).map_err(faulty)?)
        };
        read().map_err(refused)
    }

    /// A policy from JSON that was parsed already, as [`Policy::parse`] has it.
    pub fn read(value: Json) -> Result<Policy> {
        read_policy(value).map_err(refused)
    }
}

fn refused(error: Error) -> Error {
    in_place("the policy is refused", error)
}

impl FromJson for Policy {
    fn from_json(value: Json) -> Result<Self, Fault> {
        Policy::read(value).map_err(|error| error.message().to_string().into())
    }
}

fn read_policy(value: Json) -> Result<Policy> {
    let mut fields = Fields::of(value).map_err(faulty)?;
    let rules: Json = fields.take("rules").map_err(faulty)?;
    let LeftOut(members) = fields.take("members").map_err(faulty)?;
    fields.end().map_err(faulty)?;
    let policy = Policy { rules: read_rules(rules)?, members: members.map_or(Ok(Vec::new()), read_members)? };
    // INVARIANT: what is written can be read again, although a form that was given may be shorter.
    let written = serde_json::to_string(&policy).map_err(|_| faulty("it can't be written as JSON".into()))?;
    within("its text, written in full,", written.len(), TEXT_MAX, "bytes")?;
    Ok(policy)
}

fn read_rules(value: Json) -> Result<Vec<Rule>> {
    let Json::List(values) = value else { return Err(faulty("`rules`: it must be a list".into())) };
    within("`rules`", values.len(), RULES_MAX, "entries")?;
    let mut rules: Vec<Rule> = Vec::new();
    for value in values {
        // Until its id is known to be one, a rule has its place for a name.
        let place = format!("rule {}", rules.len().saturating_add(1));
        let mut fields = Fields::of(value).map_err(|fault| in_place(&place, faulty(fault)))?;
        let id = read_id(&mut fields).map_err(|error| in_place(&place, error))?;
        let place = format!("rule `{id}`");
        if rules.iter().any(|earlier| earlier.id == id) {
            return Err(in_place(&place, faulty("an earlier rule has this id: give each its own".into())));
        }
        rules.push(read_rule(id, fields).map_err(|error| in_place(&place, error))?);
    }
    Ok(rules)
}

fn read_id(fields: &mut Fields) -> Result<String> {
    let id: String = fields.take("id").map_err(faulty)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    if id.is_empty() || id.len() > NAME_MAX || !id.bytes().all(allowed) {
        let why = format!("its id must be 1 to {NAME_MAX} of the characters A-Z a-z 0-9 _ . - /");
        return Err(faulty(why.into()));
    }
    Ok(id)
}

fn read_rule(id: String, mut fields: Fields) -> Result<Rule> {
    let actions: Json = fields.take("actions").map_err(faulty)?;
    let [roles, users, namespaces, names] = ["roles", "users", "namespaces", "names"].map(|name| fields.take(name));
    let rule = Rule {
        id,
        roles: read_whos("roles", roles.map_err(faulty)?)?,
        users: read_whos("users", users.map_err(faulty)?)?,
        actions: read_actions(actions)?,
        namespaces: read_globs("namespaces", namespaces.map_err(faulty)?)?,
        names: read_globs("names", names.map_err(faulty)?)?,
    };
    fields.end().map_err(faulty)?;
    if rule.roles.is_empty() && rule.users.is_empty() {
        return Err(faulty("it is for nobody: name a role or a user".into()));
    }
    Ok(rule)
}

fn read_actions(value: Json) -> Result<Actions> {
    let mut all = false;
    let mut only = Vec::new();
    for name in read_texts("actions", value)? {
        match Permission::from_name(&name) {
            Some(permission) => only.push(permission),
            None if name == "*" => all = true,
            None => {
                let why = "`actions`: each must be read, write, list, delete, export, admin, or * for all";
                return Err(faulty(why.into()));
            }
        }
    }
    if all {
        return Ok(Actions::All);
    }
    if only.is_empty() {
        return Err(faulty("`actions`: it must name one at least".into()));
    }
    Ok(Actions::Only(Permission::ALL.into_iter().filter(|permission| only.contains(permission)).collect()))
}

fn read_globs(field: &str, LeftOut(value): LeftOut) -> Result<Vec<Glob>> {
    let Some(value) = value else { return Ok(vec![Glob::any()]) };
    let mut globs = Vec::new();
    for text in read_texts(field, value)? {
        globs.push(Glob::parse(text).map_err(|error| in_place(&format!("`{field}`"), error))?);
    }
    if globs.is_empty() {
        return Err(faulty(format!("`{field}`: it matches nothing: leave the field out for all").into()));
    }
    Ok(globs)
}

/// Roles or users.
fn read_whos(field: &str, LeftOut(value): LeftOut) -> Result<Vec<String>> {
    let whos = value.map_or(Ok(Vec::new()), |value| read_texts(field, value))?;
    if whos.iter().any(|who| !is_who(who)) {
        return Err(faulty(format!("`{field}`: each {WHO_RULE}").into()));
    }
    Ok(whos)
}

fn read_members(value: Json) -> Result<Vec<(String, Vec<String>)>> {
    let Json::Object(entries) = value else { return Err(faulty("`members`: it must be an object".into())) };
    within("`members`", entries.len(), MEMBERS_MAX, "entries")?;
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for (user, roles) in entries {
        let place = format!("member {}", members.len().saturating_add(1));
        if !is_who(&user) {
            return Err(in_place(&place, faulty(format!("a user id {WHO_RULE}").into())));
        }
        let roles = read_whos("roles", LeftOut(Some(roles))).map_err(|error| in_place(&place, error))?;
        // In order as they come: the standard library's sort is kilobytes of the browser's module for each type.
        match members.binary_search_by(|(known, _)| known.cmp(&user)) {
            Ok(_) => {
                let why = "`members`: a user is there twice: write one list of roles for each";
                return Err(faulty(why.into()));
            }
            Err(place) => members.insert(place, (user, roles)),
        }
    }
    Ok(members)
}

/// A list of texts, bounded, each there once.
fn read_texts(field: &str, value: Json) -> Result<Vec<String>> {
    let texts = Vec::<String>::from_json(value).map_err(|fault| faulty(format!("`{field}`: {fault}").into()))?;
    within(&format!("`{field}`"), texts.len(), LIST_MAX, "entries")?;
    for (index, text) in texts.iter().enumerate() {
        if texts.iter().take(index).any(|earlier| earlier == text) {
            let place = index.saturating_add(1);
            return Err(faulty(format!("`{field}`: entry {place} is there twice: write each once").into()));
        }
    }
    Ok(texts)
}

/// A field that can be left out and not be null: a null that came to mean "all" would widen a rule.
struct LeftOut(Option<Json>);

impl FromJson for LeftOut {
    fn from_json(value: Json) -> Result<Self, Fault> {
        Ok(LeftOut(Some(value)))
    }

    fn absent() -> Option<Self> {
        Some(LeftOut(None))
    }
}

fn within(what: &str, count: usize, most: usize, unit: &str) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::new(ErrorCode::LimitExceeded, format!("{what} has {count} {unit}: the limit is {most}")))
}

fn faulty(fault: Fault) -> Error {
    Error::new(ErrorCode::InvalidArgument, fault)
}

fn in_place(place: &str, error: Error) -> Error {
    Error::new(error.code(), format!("{place}: {}", error.message()))
}

impl Serialize for Actions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Actions::All => ["*"].serialize(to),
            Actions::Only(actions) => actions.serialize(to),
        }
    }
}

/// Members as the object that they are read from.
pub(super) fn members_map<S: Serializer>(members: &[(String, Vec<String>)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(members.iter().map(|(user, roles)| (user, roles)))
}
