//! Placeholders: texts of templates that somebody forgot to replace.
//!
//! The rules are for whole values and for marks that random values do not bear by chance, so that a generated key is never
//! taken for one. Nothing is copied.

use super::Kind;
use core::fmt;

/// Why a value is taken for a placeholder. `Display` describes the rule, not the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceholderRule {
    /// There is nothing but white space.
    Empty,
    /// It is a word of templates, such as `changeme` or `TODO`, or contains one that stands nowhere else.
    Word,
    /// It is a word that everybody tries first, such as `password`. For secrets alone.
    Default,
    /// It speaks to its reader: `your_password_here`.
    Your,
    /// It is one character again and again, or ends so: `xxx`, `sk-xxxxxxxx`.
    Filler,
    /// It stands in brackets: `<password>`, `{{ password }}`.
    Brackets,
    /// It is a variable that was not expanded: `${PASSWORD}`.
    Expansion,
}

impl fmt::Display for PlaceholderRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlaceholderRule::Empty => "there is nothing but white space",
            PlaceholderRule::Word => "it has a word of templates, such as changeme, example or TODO",
            PlaceholderRule::Default => "it is a word that everybody tries first, such as password or admin",
            PlaceholderRule::Your => "it speaks to its reader, such as your-...-here",
            PlaceholderRule::Filler => "it is one character again and again, or ends so, such as xxx",
            PlaceholderRule::Brackets => "it stands in brackets, such as <...> or {{...}}",
            PlaceholderRule::Expansion => "it has a variable that was not expanded, such as ${...}",
        })
    }
}

/// Placeholders as whole values. What is between their letters and digits does not count: `Change-Me!`.
const WORDS: &[&str] = &[
    "changeme",
    "changethis",
    "changeit",
    "replaceme",
    "replacethis",
    "placeholder",
    "example",
    "sample",
    "dummy",
    "todo",
    "tbd",
    "fixme",
];

/// Placeholders that stand nowhere else, wherever they are.
const MARKS: &[&str] =
    &["changeme", "change-me", "change_me", "replaceme", "replace-me", "replace_me", "placeholder", "example"];

/// What begins a note to oneself, when no letter or digit follows.
const NOTES: &[&str] = &["todo", "tbd", "fixme"];

/// What is tried first, as a whole value.
const DEFAULTS: &[&str] =
    &["password", "passwd", "secret", "admin", "root", "default", "test", "letmein", "none", "null", "undefined"];

/// The rule by which a value is a placeholder, if it is one.
pub(super) fn rule_of(value: &str, kind: Kind) -> Option<PlaceholderRule> {
    let value = value.trim();
    let bytes = value.as_bytes();
    if bytes.is_empty() {
        Some(PlaceholderRule::Empty)
    } else if is_expansion(value) {
        Some(PlaceholderRule::Expansion)
    } else if is_bracketed(value) {
        Some(PlaceholderRule::Brackets)
    } else if speaks(bytes) {
        Some(PlaceholderRule::Your)
    } else if WORDS.iter().any(|word| is_word(bytes, word))
        || MARKS.iter().any(|mark| contains(bytes, mark))
        || NOTES.iter().any(|note| is_note(bytes, note))
    {
        Some(PlaceholderRule::Word)
    } else if is_filler(bytes) {
        Some(PlaceholderRule::Filler)
    } else if kind == Kind::Secret && DEFAULTS.iter().any(|word| is_word(bytes, word)) {
        Some(PlaceholderRule::Default)
    } else {
        None
    }
}

fn is_word(value: &[u8], word: &str) -> bool {
    let letters = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
    letters.eq(word.bytes())
}

fn contains(value: &[u8], mark: &str) -> bool {
    value.windows(mark.len()).any(|window| window.eq_ignore_ascii_case(mark.as_bytes()))
}

fn begins(value: &[u8], with: &str) -> bool {
    value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
}

fn ends(value: &[u8], with: &str) -> bool {
    let start = value.len().checked_sub(with.len());
    start.and_then(|start| value.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(with.as_bytes()))
}

fn is_note(value: &[u8], note: &str) -> bool {
    begins(value, note) && value.get(note.len()).is_some_and(|next| !next.is_ascii_alphanumeric())
}

fn speaks(value: &[u8]) -> bool {
    ["your-", "your_", "your "].iter().any(|start| begins(value, start))
        || ["-your-", "_your_"].iter().any(|middle| contains(value, middle))
        || ["-here", "_here"].iter().any(|end| ends(value, end))
}

fn is_filler(value: &[u8]) -> bool {
    let Some(last) = value.last().map(u8::to_ascii_lowercase) else { return false };
    if !b"x*.?#_-".contains(&last) {
        return false;
    }
    let run = value.iter().rev().take_while(|byte| byte.to_ascii_lowercase() == last).count();
    let before = value.get(..value.len() - run).and_then(<[u8]>::last);
    match before {
        None => run >= 3,
        // After a separator: by chance, one random key in 30 million ends so.
        Some(separator) => run >= 4 && matches!(last, b'x' | b'*') && b"-_. :".contains(separator),
    }
}

fn is_bracketed(value: &str) -> bool {
    let inner = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    // What is longer, or has such brackets inside, is some XML and no placeholder.
    inner.is_some_and(|inner| inner.len() <= 64 && !inner.contains(['<', '>', '\n']))
        || value.strip_prefix("{{").is_some_and(|rest| rest.ends_with("}}"))
}

fn is_expansion(value: &str) -> bool {
    let named = |rest: &str| {
        let name = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        name > 0 && rest.as_bytes().get(name).is_some_and(|after| b"}:-?+".contains(after))
    };
    value.split("${").skip(1).any(named)
        || ["${", "$("].iter().any(|open| value.starts_with(open)) && value.ends_with(['}', ')'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use PlaceholderRule::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn what_templates_leave_is_a_placeholder_by_its_rule() {
        for (value, rule) in [
            ("", Empty),
            (" \t\n", Empty),
            // As the seed's .env.example has them.
            ("your_secure_password_here", Your),
            ("your_redis_password_here", Your),
            ("your_kong_admin_key_here", Your),
            ("your_generated_key_here", Your),
            ("postgres.example.com", Word),
            ("YOUR-API-KEY", Your),
            ("sk-your-key", Your),
            ("put_the_key_here", Your),
            ("changeme", Word),
            ("ChangeMe!", Word),
            ("change-me", Word),
            ("prod-CHANGE_ME-1", Word),
            ("replace-me", Word),
            ("Replace this", Word),
            ("placeholder", Word),
            ("AKIAIOSFODNN7EXAMPLE", Word),
            ("TODO", Word),
            ("todo: ask the admin", Word),
            ("xxx", Filler),
            ("XXXXXXXX", Filler),
            ("sk_live_xxxx", Filler),
            ("********", Filler),
            ("...", Filler),
            ("<password>", Brackets),
            ("<your key>", Brackets),
            ("{{ vault_password }}", Brackets),
            ("${PASSWORD}", Expansion),
            ("postgres://app:${DB_PASSWORD}@db/app", Expansion),
            ("${PASSWORD:-dev}", Expansion),
            ("$(cat key)", Expansion),
            ("password", Default),
            ("Admin", Default),
            ("null", Default),
        ] {
            assert_eq!(rule_of(value, Kind::Secret), Some(rule), "{value}");
        }
    }

    #[test]
    fn real_values_are_none() {
        for value in [
            "sk-1234567890abcdef",
            "1234567890:ABCdefGHIjklMNOpqrs",
            "correct horse battery staple",
            "sark_production",
            "5432",
            "gAAAAABk_fernet-like-token==",
            "todolist-app",
            "youre-in",
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
            "<config><password>p</password></config>",
            "{\"a\": {\"b\": {}}}",
            "pa$$w{o}rd$1",
            "abcxxx",
            "verify-full",
        ] {
            assert_eq!(rule_of(value, Kind::Secret), None, "{value}");
        }
    }

    #[test]
    fn words_that_everybody_tries_first_are_fine_for_plain_settings() {
        for value in ["test", "default", "admin", "none"] {
            assert_eq!(rule_of(value, Kind::Plain), None);
        }
        assert_eq!(rule_of("changeme", Kind::Plain), Some(Word));
    }

    #[test]
    fn random_keys_are_none() {
        use base64::Engine;
        use sha2::Digest;
        for index in 0..20_000_u32 {
            let digest = sha2::Sha256::digest(index.to_le_bytes());
            let key = base64::engine::general_purpose::URL_SAFE.encode(digest);
            assert_eq!(rule_of(&key, Kind::Secret), None, "{key}");
        }
    }

    #[test]
    fn edges_of_every_rule_are_read_without_failing() {
        for value in ["$", "${", "${}", "$(", "{{", "}}", "<", ">", "<>", "-", "x", "xx", "_here", "your", "\u{e9}"] {
            let _ = rule_of(value, Kind::Secret);
            let _ = rule_of(&format!("{value}{value}"), Kind::Plain);
        }
        assert_eq!(rule_of("{{}}", Kind::Secret), Some(Brackets));
        assert_eq!(rule_of(&String::from("x").repeat(1 << 20), Kind::Secret), Some(Filler));
    }
}
