//! Passwords that have a character of each required class, and how many of them there are.

use super::draw::{Draws, not_random};
use super::{fault, refused};
use crate::entropy::Entropy;
use crate::error::Result;
use crate::secret::SecretBytes;
use crate::wire::{Fault, Fields, read_names};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use zeroize::Zeroizing;

/// A-Z, a-z and 0-9.
pub(super) const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The symbols of ASCII without quotes, backslash and dollar: a password stands between quotes of any kind, in shells, .env
/// files, JSON, YAML, TOML and SQL, as it is.
const SYMBOLS: &str = "!#%&()*+,-./:;<=>?@[]^_{|}~";

const LENGTH_DEFAULT: usize = 24;
const BITS_MIN: u32 = 64;

/// How many candidates are drawn before the source counts as broken. Of all rules that are accepted, the candidates with
/// every class are fewest, 14.8 in 100, for 12 characters of all classes with one symbol; they become more with each
/// character. With one in eight, all of so many are refused with a chance of (7/8)^1024, below 2^-197.
const CANDIDATES_MAX: usize = 1024;

/// A class of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CharacterClass {
    /// a-z.
    Lower,
    /// A-Z.
    Upper,
    /// 0-9.
    Digit,
    /// Printable ASCII that is no letter, digit or space; which ones, the rules say.
    Symbol,
}

read_names!(CharacterClass { "lower" => Lower, "upper" => Upper, "digit" => Digit, "symbol" => Symbol });

impl CharacterClass {
    /// Every class, in the order in which rules name them.
    pub const ALL: [CharacterClass; 4] =
        [CharacterClass::Lower, CharacterClass::Upper, CharacterClass::Digit, CharacterClass::Symbol];

    /// The class of a printable ASCII character.
    fn of(character: u8) -> CharacterClass {
        match character {
            b'a'..=b'z' => CharacterClass::Lower,
            b'A'..=b'Z' => CharacterClass::Upper,
            b'0'..=b'9' => CharacterClass::Digit,
            _ => CharacterClass::Symbol,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a password is made of: a length of 12 to 1024 characters, and the classes that they come from, each of which has
/// one at least. All such passwords are equally likely, and there are 2^64 of them or more.
///
/// By default: 24 characters of all four classes, the symbols being those of ASCII without quotes, backslash and dollar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    length: usize,
    // INVARIANT: in the order of `CharacterClass::ALL`, each once, one at least.
    classes: Vec<CharacterClass>,
    // INVARIANT: ascending, each once; some exactly when `Symbol` is among the classes.
    symbols: String,
}

impl Default for PasswordRules {
    fn default() -> Self {
        PasswordRules { length: LENGTH_DEFAULT, classes: CharacterClass::ALL.to_vec(), symbols: SYMBOLS.into() }
    }
}

impl PasswordRules {
    /// Rules of a length, distinct classes in any order, and distinct symbols in any order; without symbols given, the
    /// class `symbol` has those of the default.
    ///
    /// Errors: `INVALID_ARGUMENT`, also when fewer than 64 bits come of it.
    ///
    /// ```
    /// use strongroom::generate::{CharacterClass, Generator, PasswordRules};
    /// let pin = PasswordRules::new(20, &[CharacterClass::Digit], None)?;
    /// assert_eq!(Generator::Password(pin).entropy_bits(), 66);
    /// let weak = PasswordRules::new(12, &[CharacterClass::Digit], None).unwrap_err();
    /// assert!(weak.message().contains("39 bits"));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn new(length: usize, classes: &[CharacterClass], symbols: Option<&str>) -> Result<PasswordRules> {
        if !(12..=1024).contains(&length) {
            return Err(refused("a password has 12 to 1024 characters: choose a length between them"));
        }
        let sorted: Vec<_> = CharacterClass::ALL.into_iter().filter(|class| classes.contains(class)).collect();
        if sorted.is_empty() || sorted.len() != classes.len() {
            return Err(refused(
                "the classes of a password are one or more of lower, upper, digit and symbol, each once",
            ));
        }
        let symbols = match (sorted.contains(&CharacterClass::Symbol), symbols) {
            (true, None) => SYMBOLS.into(),
            (true, Some(symbols)) => parse_symbols(symbols)?,
            (false, None) => String::new(),
            (false, Some(_)) => {
                return Err(refused(
                    "symbols are given for a password without the class symbol: add it, or leave them out",
                ));
            }
        };
        let rules = PasswordRules { length, classes: sorted, symbols };
        match rules.entropy_bits() {
            BITS_MIN.. => Ok(rules),
            bits => Err(refused(format!(
                "a password of {length} such characters has {bits} bits of randomness, and {BITS_MIN} are the least: make it \
                 longer, or give it more classes or symbols"
            ))),
        }
    }

    /// How many characters, 12 to 1024.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The classes, in the order of [`CharacterClass::ALL`].
    pub fn classes(&self) -> &[CharacterClass] {
        &self.classes
    }

    /// The symbols in ascending order, if the classes have symbols.
    pub fn symbols(&self) -> Option<&str> {
        Some(&*self.symbols).filter(|symbols| !symbols.is_empty())
    }

    pub(super) fn take(fields: &mut Fields) -> Result<PasswordRules, Fault> {
        let length: Option<usize> = fields.take("length")?;
        let classes: Option<Vec<CharacterClass>> = fields.take("classes")?;
        let symbols: Option<String> = fields.take("symbols")?;
        let classes = classes.as_deref().unwrap_or(&CharacterClass::ALL);
        PasswordRules::new(length.unwrap_or(LENGTH_DEFAULT), classes, symbols.as_deref()).map_err(fault)
    }

    pub(super) fn entropy_bits(&self) -> u32 {
        let size = |class: &CharacterClass| self.characters(*class).len();
        count_bits(&self.classes.iter().map(size).collect::<Vec<_>>(), self.length)
    }

    pub(super) fn make(&self, entropy: &mut dyn Entropy) -> Result<SecretBytes> {
        let alphabet: Vec<u8> = self.classes.iter().flat_map(|class| self.characters(*class)).copied().collect();
        make_with_all(entropy, &alphabet, &self.classes, self.length)
    }

    fn characters(&self, class: CharacterClass) -> &[u8] {
        let (upper, rest) = ALPHANUMERIC.split_at(26);
        let (lower, digit) = rest.split_at(26);
        match class {
            CharacterClass::Lower => lower,
            CharacterClass::Upper => upper,
            CharacterClass::Digit => digit,
            CharacterClass::Symbol => self.symbols.as_bytes(),
        }
    }
}

/// Distinct symbols, put in order.
fn parse_symbols(text: &str) -> Result<String> {
    let in_order: String = ('!'..='~').filter(|c| c.is_ascii_punctuation() && text.contains(*c)).collect();
    if in_order.is_empty() || in_order.len() != text.len() {
        return Err(refused(
            "the symbols of a password are one or more of ASCII's, such as !#%+, each once; no letters, digits or spaces",
        ));
    }
    Ok(in_order)
}

/// A text of the alphabet with each of the classes in it: whole candidates are drawn until one has them, so each such text
/// is as likely as any other. Errors: `ENTROPY_FAILED`.
fn make_with_all(
    entropy: &mut dyn Entropy,
    alphabet: &[u8],
    classes: &[CharacterClass],
    length: usize,
) -> Result<SecretBytes> {
    let wanted = classes.iter().fold(0, |bits, class| bits | class.bit());
    let mut draws = Draws::from(entropy);
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for _ in 0..CANDIDATES_MAX {
        text.clear();
        let mut seen = 0;
        for _ in 0..length {
            let symbol = draws.symbol(alphabet)?;
            seen |= CharacterClass::of(symbol).bit();
            text.push(symbol);
        }
        if seen == wanted {
            return Ok(SecretBytes::new(core::mem::take(&mut *text)));
        }
    }
    Err(not_random())
}

/// The binary logarithm, rounded down, of the number of texts of that length with a character of each class, of classes of
/// these sizes: four at most, of 128 characters together at most. It may come out one less, when that number is above a
/// power of two by less than about a part in 2^40; never more.
pub(super) fn count_bits(sizes: &[usize], length: usize) -> u32 {
    // ways[seen]: how many beginnings have characters of just the classes whose bits `seen` has, in units of 2^scale. Only
    // sums and products of what isn't negative, rounded down: no step can make it more than it is.
    let mut ways = [0u64; 16];
    let mut scale = 0;
    if let Some(none) = ways.first_mut() {
        *none = 1;
    }
    for _ in 0..length {
        let mut longer = [0u64; 16];
        for (seen, count) in ways.iter().enumerate() {
            for (class, size) in sizes.iter().enumerate() {
                if let Some(next) = longer.get_mut(seen | 1 << class) {
                    *next += count * *size as u64;
                }
            }
        }
        // INVARIANT: below 2^55 each, so that the next sum, of at most twice 128 times that, is below 2^63.
        while longer.iter().any(|count| *count >= 1 << 55) {
            longer.iter_mut().for_each(|count| *count /= 2);
            scale += 1;
        }
        ways = longer;
    }
    let all = (1 << sizes.len()) - 1;
    ways.get::<usize>(all).and_then(|count| count.checked_ilog2()).map_or(0, |bits| bits + scale)
}

#[cfg(test)]
mod tests {
    use super::super::draw::testing::{Cycle, deviation, deviations};
    use super::*;
    use crate::entropy::testing::Seeded;
    use crate::error::ErrorCode;
    use alloc::vec;

    use CharacterClass::{Digit, Lower, Symbol, Upper};

    /// Every choice of sizes of classes that rules can have.
    fn all_sizes() -> Vec<Vec<usize>> {
        let mut all = Vec::new();
        for symbols in 0..=32 {
            for letters in 0..8 {
                let bits = [(1, 26), (2, 26), (4, 10)].into_iter().filter(|(bit, _)| letters & bit != 0);
                let sizes: Vec<_> = bits.map(|(_, size)| size).chain(Some(symbols).filter(|size| *size > 0)).collect();
                if !sizes.is_empty() {
                    all.push(sizes);
                }
            }
        }
        all
    }

    /// Of texts of that length, how many have every class: inclusion and exclusion, exact while it fits.
    fn exactly(sizes: &[usize], length: u32) -> u128 {
        let (mut more, mut less) = (0u128, 0u128);
        for left_out in 0..1usize << sizes.len() {
            let kept: usize =
                sizes.iter().enumerate().filter(|(i, _)| left_out >> i & 1 == 0).map(|(_, size)| size).sum();
            let texts = (kept as u128).checked_pow(length).unwrap();
            if left_out.count_ones() % 2 == 0 { more += texts } else { less += texts }
        }
        more - less
    }

    #[test]
    fn the_count_of_passwords_is_never_too_high_and_is_exact_where_it_can_be_checked() {
        for sizes in all_sizes() {
            for length in 1..=19 {
                let exact = exactly(&sizes, length).checked_ilog2().unwrap_or(0);
                assert_eq!(count_bits(&sizes, length as usize), exact, "{sizes:?} {length}");
            }
        }
    }

    #[test]
    fn the_count_of_long_passwords_is_that_of_all_texts_but_for_a_trifle() {
        for sizes in all_sizes() {
            let texts = 1024.0 * (sizes.iter().sum::<usize>() as f64).log2();
            // Without a class are less than 1e-6 of them: even one symbol in 63 is missing from 8 in 10^8.
            let bits = f64::from(count_bits(&sizes, 1024));
            assert!((texts - 1e-5).floor() <= bits && bits <= texts, "{sizes:?}: {bits} of {texts}");
        }
        for (size, bits) in [(2, 1024), (32, 5120), (64, 6144)] {
            assert_eq!(count_bits(&[size], 1024), bits);
        }
    }

    #[test]
    fn a_count_just_below_a_power_of_two_is_not_rounded_up_to_it() {
        for length in 2..=1024 {
            // All of 2^length but two.
            assert_eq!(count_bits(&[1, 1], length), length as u32 - 1, "{length}");
        }
    }

    #[test]
    fn more_than_one_candidate_in_eight_has_every_class_whatever_rules_are_accepted() {
        let mut worst = f64::MAX;
        for sizes in all_sizes() {
            for length in 12..=19 {
                let all = (sizes.iter().sum::<usize>() as u128).pow(length);
                let with_every_class = exactly(&sizes, length);
                assert!(with_every_class > all / 8, "{sizes:?} {length}");
                worst = worst.min(with_every_class as f64 / all as f64);
            }
        }
        assert!((0.148..0.149).contains(&worst), "{worst}");
    }

    #[test]
    fn each_candidate_with_every_class_is_the_password_and_any_other_is_thrown_away() {
        // Of four characters each comes from a quarter of the bytes, so that these are all candidates of three.
        let alphabet = b"abX7";
        let mut passwords = Vec::new();
        for candidate in 0..64u8 {
            let bytes = [candidate >> 4, candidate >> 2 & 3, candidate & 3].map(|index| index << 6);
            let text = bytes.map(|byte| alphabet[usize::from(byte >> 6)]);
            let has_all =
                [Lower, Upper, Digit].iter().all(|class| text.iter().any(|c| CharacterClass::of(*c) == *class));
            match make_with_all(&mut Cycle::new(&bytes), alphabet, &[Lower, Upper, Digit], 3) {
                Ok(password) => {
                    assert!(has_all && password.expose() == text);
                    passwords.push(text);
                }
                Err(error) => assert!(!has_all && error.code() == ErrorCode::EntropyFailed),
            }
        }
        assert_eq!(passwords.len() as u128, exactly(&[2, 1, 1], 3));
    }

    #[test]
    fn all_passwords_of_a_small_alphabet_are_equally_likely() {
        let mut entropy = Seeded::new(1);
        let mut counts: Vec<([u8; 4], u32)> = Vec::new();
        for _ in 0..20_000 {
            let password = make_with_all(&mut entropy, b"abX7+", &[Lower, Upper, Digit, Symbol], 4).unwrap();
            let password: [u8; 4] = password.expose().try_into().unwrap();
            match counts.iter_mut().find(|(text, _)| *text == password) {
                Some((_, count)) => *count += 1,
                None => counts.push((password, 1)),
            }
        }
        assert_eq!(counts.len(), 48);
        let counts: Vec<_> = counts.into_iter().map(|(_, count)| count).collect();
        assert!(deviation(&counts, &[1.0; 48]) < 1.0, "{counts:?}");
    }

    #[test]
    fn a_password_is_mended_nowhere_every_place_is_like_every_other() {
        let rules = PasswordRules::new(12, &CharacterClass::ALL, Some("!+")).unwrap();
        let mut entropy = Seeded::new(2);
        let made: Vec<_> = (0..30_000).map(|_| rules.make(&mut entropy).unwrap().expose().to_vec()).collect();
        let classes =
            [(Lower, 26, [26, 10, 2]), (Upper, 26, [26, 10, 2]), (Digit, 10, [26, 26, 2]), (Symbol, 2, [26, 26, 10])];
        let (mut alphabet, mut weights) = (Vec::new(), Vec::new());
        for (class, size, others) in classes {
            // A character stands at a place as often as the eleven others bring the other classes.
            let again: Vec<usize> = others.iter().copied().chain([size]).collect();
            let ways = exactly(&again, 11) + exactly(&others, 11);
            alphabet.extend_from_slice(rules.characters(class));
            weights.extend(vec![ways as f64; size]);
        }
        let (worst, all) = deviations(&made, &alphabet, &weights);
        assert!(worst < 1.0 && all < 1.0, "{worst} {all}");
        let (_, all) = deviations(&made, &alphabet, &[1.0; 64]);
        assert!(all > 2.0, "the condition on symbols must be seen: {all}");
    }

    #[test]
    fn every_password_has_every_class_at_the_shortest_and_under_the_hardest_rules() {
        let mut entropy = Seeded::new(3);
        for symbols in ["!", "~+", SYMBOLS] {
            let rules = PasswordRules::new(12, &CharacterClass::ALL, Some(symbols)).unwrap();
            for _ in 0..2000 {
                let password = rules.make(&mut entropy).unwrap();
                for class in CharacterClass::ALL {
                    let among = |byte: &u8| rules.characters(class).contains(byte);
                    assert!(password.expose().iter().any(among), "{class:?}");
                }
                assert_eq!(password.len(), 12);
            }
        }
    }

    #[test]
    fn rules_are_the_same_in_whatever_order_they_are_given() {
        let rules = PasswordRules::new(20, &[Symbol, Lower], Some("~!+")).unwrap();
        assert_eq!(rules, PasswordRules::new(20, &[Lower, Symbol], Some("+~!")).unwrap());
        assert_eq!((rules.length(), rules.classes(), rules.symbols()), (20, &[Lower, Symbol][..], Some("!+~")));
        assert_eq!(PasswordRules::new(24, &CharacterClass::ALL, None).unwrap(), PasswordRules::default());
        assert_eq!(PasswordRules::new(24, &CharacterClass::ALL, Some(SYMBOLS)).unwrap(), PasswordRules::default());
        assert_eq!(PasswordRules::new(24, &[Lower], None).unwrap().symbols(), None);
    }

    #[test]
    fn default_symbols_need_no_escape_between_quotes() {
        assert!(SYMBOLS.bytes().all(|byte| byte.is_ascii_punctuation() && !b"\"'`\\$".contains(&byte)));
        assert_eq!(SYMBOLS.len(), 27);
    }
}
