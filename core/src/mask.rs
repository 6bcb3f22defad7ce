//! Masking: all or nothing, and never the length.

use crate::error::{Error, ErrorCode, Result};
use alloc::format;
use alloc::string::{String, ToString};

/// What [`mask`] shows of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskStyle {
    /// The first four characters: `sk_t****`.
    #[default]
    Prefix4,
    /// The first eight characters: `sk_test_...`.
    Prefix8,
    /// The first and the last three characters: `123***...xyz`.
    Ends3,
    /// Nothing: `****`.
    Full,
}

impl MaskStyle {
    /// The style of that wire name: `prefix(4)`, `prefix(8)`, `ends(3)` or `full`. Errors: `INVALID_ARGUMENT`.
    pub fn from_name(name: &str) -> Result<MaskStyle> {
        match name {
            "prefix(4)" => Ok(MaskStyle::Prefix4),
            "prefix(8)" => Ok(MaskStyle::Prefix8),
            "ends(3)" => Ok(MaskStyle::Ends3),
            "full" => Ok(MaskStyle::Full),
            _ => {
                let message = "the mask style is not known: use prefix(4), prefix(8), ends(3) or full";
                Err(Error::new(ErrorCode::InvalidArgument, message))
            }
        }
    }
}

const HIDDEN: &str = "****";

/// A text that stands for a value on a screen or in a log.
///
/// A value with fewer than three times the characters that would be shown, one that is not UTF-8, and one whose shown
/// characters are not all printable ASCII, is `****` whatever the style.
///
/// ```
/// use strongroom::mask::{MaskStyle, mask};
/// assert_eq!(mask(b"sk_test_abc123", MaskStyle::Prefix4), "sk_t****");
/// assert_eq!(mask(b"hunter2", MaskStyle::Prefix4), "****");
/// ```
pub fn mask(value: &[u8], style: MaskStyle) -> String {
    let (first, last, filler) = match style {
        MaskStyle::Prefix4 => (4, 0, HIDDEN),
        MaskStyle::Prefix8 => (8, 0, "..."),
        MaskStyle::Ends3 => (3, 3, "***..."),
        MaskStyle::Full => return HIDDEN.to_string(),
    };
    let Ok(text) = core::str::from_utf8(value) else {
        return HIDDEN.to_string();
    };
    if text.chars().nth(3 * (first + last) - 1).is_none() {
        return HIDDEN.to_string();
    }
    // Printable ASCII has one byte a character, so byte and character positions agree at both ends.
    let (Some(head), Some(tail)) = (text.get(..first), text.get(text.len() - last..)) else {
        return HIDDEN.to_string();
    };
    if !head.bytes().chain(tail.bytes()).all(|byte| byte.is_ascii_graphic()) {
        return HIDDEN.to_string();
    }
    format!("{head}{filler}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_style_shows_what_it_says() {
        let value = b"123456789012345678901xyz";
        for (style, shown) in
            [("prefix(4)", "1234****"), ("prefix(8)", "12345678..."), ("ends(3)", "123***...xyz"), ("full", "****")]
        {
            assert_eq!(mask(value, MaskStyle::from_name(style).unwrap()), shown);
        }
        assert_eq!(MaskStyle::from_name("prefix(40)").unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn values_shorter_than_three_times_what_is_shown_are_hidden_whole() {
        for (style, least) in [(MaskStyle::Prefix4, 12), (MaskStyle::Prefix8, 24), (MaskStyle::Ends3, 18)] {
            assert_eq!(mask(&b"x".repeat(least - 1), style), "****");
            assert_ne!(mask(&b"x".repeat(least), style), "****");
        }
    }

    #[test]
    fn characters_that_do_not_print_are_not_shown() {
        for value in ["ab\ncdefghijklmnop", "\u{202e}bcdefghijklmnop", "\u{e9}\u{e9}\u{e9}\u{e9}efghijklmnop"] {
            assert_eq!(mask(value.as_bytes(), MaskStyle::Prefix4), "****", "{value:?}");
        }
        assert_eq!(mask(&[0xff; 40], MaskStyle::Prefix4), "****");
    }

    proptest! {
        #[test]
        fn the_mask_depends_on_nothing_but_what_it_shows(head in "[a-z]{8}", a in ".{60,90}", b in ".{60,90}") {
            for style in [MaskStyle::Prefix4, MaskStyle::Prefix8] {
                let masks = [&a, &b].map(|rest| mask(format!("{head}{rest}").as_bytes(), style));
                prop_assert_eq!(&masks[0], &masks[1]);
            }
        }

        #[test]
        fn masking_never_panics(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            for style in [MaskStyle::Prefix4, MaskStyle::Prefix8, MaskStyle::Ends3, MaskStyle::Full] {
                mask(&value, style);
            }
        }
    }
}
