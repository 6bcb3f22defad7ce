//! Patterns over values: `*` for any run of characters, `?` for exactly one, everything else for itself.
//!
//! The language of policy rules, and no regular expressions: the smallest crate for those adds 28 KB (gzip) to what browsers
//! load, for a field whose use is prefixes (`sk_live_*`, `postgres://*`). Lengths and classes have fields of their own.

use alloc::string::String;
use core::str::Chars;

/// The longest pattern, in bytes.
const PATTERN_MAX: usize = 256;

/// A pattern that was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// 1 to 256 bytes without control characters; nothing otherwise.
    pub(super) fn parse(text: String) -> Option<Pattern> {
        let fits = (1..=PATTERN_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then_some(Pattern(text))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches the whole text, in its case. Takes pattern times text steps at most, and no memory: a mismatch
    /// moves the last `*` only, since what an earlier one could take besides, the last one can take.
    ///
    /// Not in constant time: it is for values that their owner is setting.
    pub fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut text) = (self.0.chars(), text.chars());
        // What follows the last `*`, and the text from where that was tried.
        let mut star: Option<(Chars<'_>, Chars<'_>)> = None;
        loop {
            let (mut pattern_after, mut text_after) = (pattern.clone(), text.clone());
            match (pattern_after.next(), text_after.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    star = Some((pattern_after.clone(), text.clone()));
                    pattern = pattern_after;
                }
                (Some(_), None) => return false,
                (Some(wanted), Some(next)) if wanted == '?' || wanted == next => {
                    (pattern, text) = (pattern_after, text_after);
                }
                (_, Some(_)) => {
                    let Some((rest, start)) = &mut star else { return false };
                    start.next();
                    (pattern, text) = (rest.clone(), start.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern.into()).unwrap().matches(text)
    }

    /// The definition, word for word; exponential.
    fn defined(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            (['*', rest @ ..], text) => (0..=text.len()).any(|taken| defined(rest, &text[taken..])),
            (['?', rest @ ..], [_, text @ ..]) => defined(rest, text),
            ([wanted, rest @ ..], [next, text @ ..]) => wanted == next && defined(rest, text),
            (_, []) => false,
        }
    }

    #[test]
    fn a_pattern_matches_what_its_definition_matches() {
        use alloc::vec::Vec;
        let texts = |alphabet: &[char], longest: usize| {
            let mut all: Vec<Vec<char>> = alloc::vec![Vec::new()];
            let mut last = all.clone();
            for _ in 0..longest {
                last = last.iter().flat_map(|text| alphabet.iter().map(|c| [&text[..], &[*c]].concat())).collect();
                all.extend(last.clone());
            }
            all
        };
        let mut matching = 0;
        for pattern in texts(&['a', '\u{e9}', '*', '?'], 4).into_iter().filter(|pattern| !pattern.is_empty()) {
            for text in texts(&['a', '\u{e9}'], 4) {
                let expected = defined(&pattern, &text);
                matching += usize::from(expected);
                assert_eq!(
                    matches(&pattern.iter().collect::<String>(), &text.iter().collect::<String>()),
                    expected,
                    "{pattern:?} {text:?}"
                );
            }
        }
        assert!(matching > 1000, "{matching}");
    }

    #[test]
    fn the_whole_value_has_to_match_in_its_case() {
        assert!(matches("sk_live_*", "sk_live_abc"));
        assert!(!matches("sk_live_*", "xsk_live_abc"));
        assert!(!matches("sk_live_*", "SK_LIVE_abc"));
        assert!(matches("postgres://*:*@*/*", "postgres://u:p@h/d?x"));
        assert!(!matches("a", ""));
        assert!(matches("*", ""));
        assert!(matches("*", "a\nb"));
    }

    #[test]
    fn a_pattern_made_to_backtrack_ends() {
        // 127 stars: exponential for a matcher that tries each of them anew; the test would not end.
        let pattern = "a*".repeat(127) + "b";
        assert!(!matches(&pattern, &"a".repeat(65_536)));
    }

    #[test]
    fn patterns_are_bounded_and_hold_no_control_characters() {
        for pattern in ["", "a\nb", "\0", &"x".repeat(257)] {
            assert_eq!(Pattern::parse(pattern.into()), None);
        }
        assert!(Pattern::parse("x".repeat(256)).is_some());
    }
}
