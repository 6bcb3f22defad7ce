//! Patterns over names: `*` for any run of characters, `?` for exactly one, everything else for itself.
//!
//! A pattern is held against the whole text and tells upper from lower case. `*` runs over `/` and `.` too, so
//! `prod/*` covers `prod/db/password`. A wildcard counts characters and not bytes, so that it also meets the names of
//! an adopted store, which may hold anything.

use crate::error::{Error, ErrorCode, Result};
use alloc::format;
use alloc::string::String;
use core::str::Chars;
use serde::Serialize;

/// The longest pattern, in characters.
pub(super) const GLOB_MAX: usize = 256;

/// A pattern that was parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Glob(String);

impl Glob {
    /// 1 to 256 of the characters of names, `*` and `?`. Errors: `INVALID_ARGUMENT`.
    pub(super) fn parse(text: String) -> Result<Glob> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/*?".contains(&byte);
        if text.is_empty() || text.len() > GLOB_MAX || !text.bytes().all(allowed) {
            let rule = format!("a pattern must be 1 to {GLOB_MAX} of the characters A-Z a-z 0-9 _ . - / * ?");
            return Err(Error::new(ErrorCode::InvalidArgument, rule));
        }
        Ok(Glob(text))
    }

    /// The pattern `*`.
    pub(super) fn any() -> Glob {
        Glob(String::from("*"))
    }

    /// Whether it is written to match every text: nothing but `*`.
    pub(super) fn is_any(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether it matches the whole text. At most pattern times text steps, without recursion and without memory: a
    /// mismatch only ever moves the last `*` met, since what an earlier one could take besides, the last one can take.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut pattern = self.0.as_bytes();
        let mut text = text.chars();
        // What follows the last `*`, and the text from where it was tried.
        let mut last_star: Option<(&[u8], Chars<'_>)> = None;
        loop {
            let mut after = text.clone();
            match (pattern, after.next()) {
                ([b'*'], _) | ([], None) => return true,
                ([b'*', rest @ ..], _) => {
                    pattern = rest;
                    last_star = Some((rest, text.clone()));
                }
                // The text is too short, and shorter still from any later start.
                (_, None) => return false,
                ([wanted, rest @ ..], Some(next)) if *wanted == b'?' || char::from(*wanted) == next => {
                    pattern = rest;
                    text = after;
                }
                (_, Some(_)) => {
                    let Some((rest, start)) = &mut last_star else { return false };
                    start.next();
                    pattern = rest;
                    text = start.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    fn glob(text: &str) -> Glob {
        Glob::parse(text.to_string()).unwrap()
    }

    /// What the first lines of this file say, without a thought for its cost.
    fn oracle(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), None) => oracle(&pattern[1..], text),
            (Some('*'), Some(_)) => oracle(&pattern[1..], text) || oracle(pattern, &text[1..]),
            (Some('?'), Some(_)) => oracle(&pattern[1..], &text[1..]),
            (Some(a), Some(b)) => a == b && oracle(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    /// Every text over an alphabet with so many characters, from none on.
    fn all(alphabet: &[char], longest: usize) -> Vec<Vec<char>> {
        let mut texts = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..longest {
            let until = texts.len();
            for index in from..until {
                for character in alphabet {
                    let mut text = texts[index].clone();
                    text.push(*character);
                    texts.push(text);
                }
            }
            from = until;
        }
        texts
    }

    #[test]
    fn every_short_pattern_agrees_with_the_plain_definition_on_every_short_text() {
        let patterns = all(&['a', 'b', '*', '?'], 5);
        let texts = all(&['a', 'b', '\u{e9}'], 6);
        assert_eq!((patterns.len(), texts.len()), (1365, 1093));
        let mut matched = 0;
        for pattern in patterns.iter().filter(|pattern| !pattern.is_empty()) {
            let parsed = glob(&pattern.iter().collect::<String>());
            for text in &texts {
                let written: String = text.iter().collect();
                let expected = oracle(pattern, text);
                matched += usize::from(expected);
                assert_eq!(parsed.matches(&written), expected, "{parsed:?} on {written:?}");
            }
        }
        assert!(matched > 10_000, "{matched}");
    }

    #[test]
    fn wildcards_run_over_separators_and_count_characters() {
        let cases = [
            ("prod/*", "prod/db/password", true),
            ("prod/*", "prod/", true),
            ("prod/*", "prod", false),
            ("prod/*", "staging/prod/db", false),
            ("*.apiKey", "mcp.bun.apiKey", true),
            ("*.apikey", "mcp.bun.apiKey", false),
            ("mcp.*.apiKey", "mcp.apiKey", false),
            ("mcp.*.apiKey", "mcp..apiKey", true),
            ("a.c", "abc", false),
            ("?", "\u{e9}", true),
            ("?", "\u{1f511}", true),
            ("??", "\u{e9}", false),
            ("my*key?", "my old\n\u{e9} key:", true),
            ("*", "", true),
            ("?", "", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn only_stars_are_written_for_everything() {
        assert!(["*", "**", "***"].into_iter().all(|text| glob(text).is_any()));
        assert!(!["?", "?*", "*?", "a*", "*a*"].into_iter().any(|text| glob(text).is_any()));
    }

    #[test]
    fn patterns_of_other_characters_or_lengths_are_refused_without_being_repeated() {
        assert!(Glob::parse("a".repeat(256)).is_ok());
        let too_long = "a".repeat(257);
        for text in ["", "a b", "[ab]", "{a,b}", "a\\*", "!a", "\u{e9}", "a\0", "a\n", "hunter2:", &too_long] {
            let error = Glob::parse(text.to_string()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(text.len() < 4 || !error.message().contains(text), "{error}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_pattern_times_text() {
        let text = "a".repeat(4096);
        let stars = "*a".repeat(127) + "*b";
        let marks = "*?".repeat(127) + "*b";
        let run = "*".to_string() + &"a".repeat(254) + "b";
        let started = std::time::Instant::now();
        for pattern in ["*a*a*a*a*b", &stars, &marks, &run] {
            let parsed = glob(pattern);
            assert!((0..20).all(|_| !parsed.matches(&text)), "{pattern}");
        }
        // About a million steps for the worst, twenty times; one that tried every split would outlive us all.
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
