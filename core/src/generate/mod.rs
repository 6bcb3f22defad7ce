//! Value generators: what makes a secret's value when nobody gives one.
//!
//! A [`Generator`] is a kind and its limits, read from a short name or from JSON and kept in records as JSON. One that
//! exists is strong enough: what would make a password of less than 64 bits, or anything else of less than 122, is
//! refused when it is read. Every value is drawn uniformly from all those that its generator allows (`draw.rs` says how),
//! and is printable ASCII.
//!
//! | JSON | value | bits |
//! | --- | --- | --- |
//! | `{"kind": "token_urlsafe", "bytes": 32}` | 16 to 512 random bytes in base64url without padding, as Python's `secrets.token_urlsafe` makes them | 8 for each byte |
//! | `{"kind": "hex", "bytes": 32}` | 16 to 512 random bytes in lower-case hex | 8 for each byte |
//! | `{"kind": "alphanumeric", "length": 32}` | 22 to 1024 characters of A-Z a-z 0-9 | 5.95 for each character |
//! | `{"kind": "uuid"}` | a UUID of version 4 (RFC 9562), lower case with hyphens | 122 |
//! | `{"kind": "password", "length": 24, "classes": ["lower", "upper", "digit", "symbol"], "symbols": "!#%+"}` | see [`PasswordRules`] | 64 at least |
//!
//! Only `kind` must be there; a bare name, such as `"hex"`, is short for it alone.

mod draw;
mod password;

pub use self::password::{CharacterClass, PasswordRules};

use self::draw::{Draws, fill_random};
use self::password::{ALPHANUMERIC, count_bits};
use crate::encoding::base64url;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use crate::wire::{Fault, Fields, FromJson, Json};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// How a value is made.
///
/// ```
/// use strongroom::generate::Generator;
/// # use strongroom::{Entropy, Result};
/// # struct Counting(u8);
/// # impl Entropy for Counting {
/// #     fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
/// #         buffer.fill_with(|| { self.0 = self.0.wrapping_add(97); self.0 });
/// #         Ok(())
/// #     }
/// # }
/// # let mut entropy = Counting(0);
/// let generator = strongroom::wire::read::<Generator>(r#"{"kind": "password", "length": 20}"#)?;
/// assert_eq!((generator.name(), generator.entropy_bits()), ("password", 129));
/// let value = generator.make(&mut entropy)?;
/// assert_eq!(value.len(), 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Generator {
    /// Random bytes in base64url without padding.
    TokenUrlsafe(ByteCount),
    /// Random bytes in lower-case hex.
    Hex(ByteCount),
    /// Characters of A-Z a-z 0-9.
    Alphanumeric(CharacterCount),
    /// A UUID of version 4 (RFC 9562, section 5.4).
    Uuid,
    /// A password that has a character of each required class.
    Password(PasswordRules),
}

impl Generator {
    /// The generator of that name, with what it has by default: `token_urlsafe`, `hex`, `alphanumeric`, `uuid` or
    /// `password`. Errors: `INVALID_ARGUMENT`.
    ///
    /// ```
    /// use strongroom::generate::Generator;
    /// assert_eq!(Generator::from_name("uuid")?, Generator::Uuid);
    /// assert_eq!(Generator::from_name("hex")?.entropy_bits(), 256);
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn from_name(name: &str) -> Result<Generator> {
        match name {
            "token_urlsafe" => Ok(Generator::TokenUrlsafe(ByteCount::default())),
            "hex" => Ok(Generator::Hex(ByteCount::default())),
            "alphanumeric" => Ok(Generator::Alphanumeric(CharacterCount::default())),
            "uuid" => Ok(Generator::Uuid),
            "password" => Ok(Generator::Password(PasswordRules::default())),
            _ => Err(refused("the generator is not known: use token_urlsafe, hex, alphanumeric, uuid or password")),
        }
    }

    /// The name of its kind, as [`Generator::from_name`] reads it.
    pub fn name(&self) -> &'static str {
        match self {
            Generator::TokenUrlsafe(_) => "token_urlsafe",
            Generator::Hex(_) => "hex",
            Generator::Alphanumeric(_) => "alphanumeric",
            Generator::Uuid => "uuid",
            Generator::Password(_) => "password",
        }
    }

    /// How many bits of randomness a value has: the binary logarithm of the number of values that can come, each as likely
    /// as any other, rounded down. What a password loses by its required classes is counted.
    pub fn entropy_bits(&self) -> u32 {
        match self {
            Generator::TokenUrlsafe(count) | Generator::Hex(count) => count.bits(),
            Generator::Alphanumeric(count) => count.bits(),
            Generator::Uuid => 122,
            Generator::Password(rules) => rules.entropy_bits(),
        }
    }

    /// Makes a value. Errors: those of the source of randomness, and `ENTROPY_FAILED` when what it gives is not random.
    pub fn make(&self, entropy: &mut dyn Entropy) -> Result<SecretBytes> {
        let (template, alphabet) = match self {
            Generator::TokenUrlsafe(count) => return make_token(entropy, count.get()),
            Generator::Password(rules) => return rules.make(entropy),
            Generator::Hex(count) => (vec![ANY; 2 * count.get()], HEX),
            Generator::Alphanumeric(count) => (vec![ANY; count.get()], ALPHANUMERIC),
            Generator::Uuid => (UUID.to_vec(), HEX),
        };
        make_by_template(entropy, &template, alphabet)
    }
}

const HEX: &[u8] = b"0123456789abcdef";

/// RFC 9562: the version is 4, and of the variant's digit the first two bits are 1 and 0.
const UUID: &[u8] = b"xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
const VARIANT: &[u8] = b"89ab";

/// In a template, a character of the alphabet.
const ANY: u8 = b'x';

fn make_token(entropy: &mut dyn Entropy, bytes: usize) -> Result<SecretBytes> {
    let mut random = Zeroizing::new(vec![0u8; bytes]);
    fill_random(entropy, &mut random)?;
    Ok(SecretBytes::new(base64url(&random).into_bytes()))
}

fn make_by_template(entropy: &mut dyn Entropy, template: &[u8], alphabet: &[u8]) -> Result<SecretBytes> {
    let mut draws = Draws::from(entropy);
    let mut text = Zeroizing::new(Vec::with_capacity(template.len()));
    for place in template {
        text.push(match *place {
            ANY => draws.symbol(alphabet)?,
            b'y' => draws.symbol(VARIANT)?,
            other => other,
        });
    }
    Ok(SecretBytes::new(core::mem::take(&mut *text)))
}

/// How many random bytes: 16 to 512 (128 to 4096 bits), 32 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteCount(usize);

impl ByteCount {
    /// So many bytes. Errors: `INVALID_ARGUMENT`.
    pub fn new(bytes: usize) -> Result<ByteCount> {
        match bytes {
            16..=512 => Ok(ByteCount(bytes)),
            0..16 => Err(refused(format!(
                "{bytes} bytes have {} bits of randomness, and 128 are the least: use 16 to 512 bytes",
                8 * bytes
            ))),
            _ => Err(refused("a value of more than 512 random bytes is not made: use 16 to 512 bytes")),
        }
    }

    /// The count.
    pub fn get(self) -> usize {
        self.0
    }

    fn bits(self) -> u32 {
        u32::try_from(8 * self.0).unwrap_or_default()
    }
}

impl Default for ByteCount {
    fn default() -> Self {
        ByteCount(32)
    }
}

/// How many characters of A-Z a-z 0-9: 22 to 1024 (130 bits or more), 32 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharacterCount(usize);

impl CharacterCount {
    /// So many characters. Errors: `INVALID_ARGUMENT`.
    pub fn new(length: usize) -> Result<CharacterCount> {
        match length {
            22..=1024 => Ok(CharacterCount(length)),
            0..22 => Err(refused(format!(
                "{length} alphanumeric characters have {} bits of randomness, and 128 are the least: use a length of 22 to 1024",
                CharacterCount(length).bits()
            ))),
            _ => Err(refused("a value of more than 1024 characters is not made: use a length of 22 to 1024")),
        }
    }

    /// The count.
    pub fn get(self) -> usize {
        self.0
    }

    fn bits(self) -> u32 {
        count_bits(&[ALPHANUMERIC.len()], self.0)
    }
}

impl Default for CharacterCount {
    fn default() -> Self {
        CharacterCount(32)
    }
}

fn refused(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

fn fault(error: Error) -> Fault {
    String::from(error.message()).into()
}

impl FromJson for Generator {
    /// From a name, or an object with `kind` and what that kind knows; `null` is as good as nothing.
    fn from_json(value: Json) -> Result<Self, Fault> {
        if let Json::Text(name) = &value {
            return Generator::from_name(name).map_err(fault);
        }
        let mut fields = Fields::of(value)?;
        let mut generator = Generator::from_name(&fields.take::<String>("kind")?).map_err(fault)?;
        match &mut generator {
            Generator::TokenUrlsafe(count) | Generator::Hex(count) => {
                if let Some(bytes) = fields.take("bytes")? {
                    *count = ByteCount::new(bytes).map_err(fault)?;
                }
            }
            Generator::Alphanumeric(count) => {
                if let Some(length) = fields.take("length")? {
                    *count = CharacterCount::new(length).map_err(fault)?;
                }
            }
            Generator::Uuid => {}
            Generator::Password(rules) => *rules = PasswordRules::take(&mut fields)?,
        }
        fields.end()?;
        Ok(generator)
    }
}

/// What is written: everything that the kind knows, so that a default that changes changes no stored generator.
#[derive(Serialize)]
struct Written<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<&'a [CharacterClass]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbols: Option<&'a str>,
}

impl Serialize for Generator {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut written = Written { kind: self.name(), bytes: None, length: None, classes: None, symbols: None };
        match self {
            Generator::TokenUrlsafe(count) | Generator::Hex(count) => written.bytes = Some(count.get()),
            Generator::Alphanumeric(count) => written.length = Some(count.get()),
            Generator::Uuid => {}
            Generator::Password(rules) => {
                written.length = Some(rules.length());
                written.classes = Some(rules.classes());
                written.symbols = rules.symbols();
            }
        }
        written.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::draw::testing::{Cycle, assert_uniform};
    use super::*;
    use crate::entropy::testing::Seeded;
    use crate::wire::read;
    use alloc::string::ToString;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use serde_json::json;

    const NAMES: [&str; 5] = ["token_urlsafe", "hex", "alphanumeric", "uuid", "password"];

    fn generator(spec: serde_json::Value) -> Result<Generator, String> {
        read(&spec.to_string()).map_err(Cow::into_owned)
    }

    fn made(generator: &Generator, entropy: &mut dyn Entropy) -> String {
        String::from_utf8(generator.make(entropy).unwrap().expose().to_vec()).unwrap()
    }

    #[test]
    fn each_name_is_a_generator_of_its_defaults() {
        let expected = [("token_urlsafe", 43, 256), ("hex", 64, 256), ("alphanumeric", 32, 190), ("uuid", 36, 122)];
        for (name, length, bits) in expected.into_iter().chain([("password", 24, 155)]) {
            let generator = Generator::from_name(name).unwrap();
            assert_eq!((generator.name(), generator.entropy_bits()), (name, bits));
            assert_eq!(made(&generator, &mut Seeded::new(1)).len(), length, "{name}");
            assert_eq!(read(&json!(name).to_string()), Ok(generator));
        }
        for name in ["", "Hex", "hex ", "hunter2", "uuid4"] {
            let error = Generator::from_name(name).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(error.message().ends_with("use token_urlsafe, hex, alphanumeric, uuid or password"), "{error}");
            assert!(name != "hunter2" || !error.message().contains(name));
        }
    }

    #[test]
    fn values_have_the_length_and_the_characters_of_their_kind_at_every_size() {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let mut entropy = Seeded::new(2);
        for bytes in 16..=512 {
            let hex = made(&Generator::Hex(ByteCount::new(bytes).unwrap()), &mut entropy);
            assert!(hex.len() == 2 * bytes && hex.bytes().all(digit), "{bytes}");
            let token = made(&Generator::TokenUrlsafe(ByteCount::new(bytes).unwrap()), &mut entropy);
            assert!(token.len() == (4 * bytes).div_ceil(3) && token.bytes().all(url_safe), "{bytes}");
        }
        for length in 22..=1024 {
            let text = made(&Generator::Alphanumeric(CharacterCount::new(length).unwrap()), &mut entropy);
            assert!(text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{length}");
        }
    }

    #[test]
    fn a_token_is_the_random_bytes_in_base64url() {
        for bytes in [16, 17, 18, 32, 512] {
            let token = made(&Generator::TokenUrlsafe(ByteCount::new(bytes).unwrap()), &mut Seeded::new(3));
            let mut random = vec![0; bytes];
            Seeded::new(3).fill(&mut random).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(token).unwrap(), random);
        }
    }

    #[test]
    fn a_uuid_is_of_version_4_and_of_the_variant_of_rfc_9562() {
        let mut entropy = Seeded::new(4);
        for _ in 0..1000 {
            let uuid = made(&Generator::Uuid, &mut entropy);
            let parts: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
            let number = u128::from_str_radix(&uuid.replace('-', ""), 16).unwrap();
            assert_eq!((number >> 76 & 0xf, number >> 62 & 0b11), (4, 0b10), "{uuid}");
            assert_eq!(uuid, uuid.to_ascii_lowercase());
        }
    }

    #[test]
    fn every_character_is_equally_likely_at_every_place() {
        let mut entropy = Seeded::new(5);
        let mut sample = |generator: &Generator| -> Vec<Vec<u8>> {
            (0..20_000).map(|_| generator.make(&mut entropy).unwrap().expose().to_vec()).collect()
        };
        assert_uniform(&sample(&Generator::Alphanumeric(CharacterCount::new(32).unwrap())), ALPHANUMERIC);
        assert_uniform(&sample(&Generator::Hex(ByteCount::new(16).unwrap())), HEX);
        let url_safe = [ALPHANUMERIC, b"-_"].concat();
        assert_uniform(&sample(&Generator::TokenUrlsafe(ByteCount::new(18).unwrap())), &url_safe);
        let uuids = sample(&Generator::Uuid);
        let at = |places: &dyn Fn(usize) -> bool| -> Vec<Vec<u8>> {
            let cut = |uuid: &Vec<u8>| (0..36).filter(|place| places(*place)).map(|place| uuid[place]).collect();
            uuids.iter().map(cut).collect()
        };
        assert_uniform(&at(&|place| UUID[place] == ANY), HEX);
        assert_uniform(&at(&|place| UUID[place] == b'y'), VARIANT);
    }

    #[test]
    fn values_do_not_repeat() {
        let mut entropy = Seeded::new(6);
        for name in NAMES {
            let generator = Generator::from_name(name).unwrap();
            let mut values: Vec<_> = (0..1000).map(|_| made(&generator, &mut entropy)).collect();
            values.sort();
            values.dedup();
            assert_eq!(values.len(), 1000, "{name}");
        }
    }

    #[test]
    fn what_is_written_names_everything_and_is_read_again() {
        let password = json!({
            "kind": "password", "length": 20, "classes": ["lower", "upper", "digit", "symbol"], "symbols": "!#%+"
        });
        let letters = json!({ "kind": "password", "length": 12, "classes": ["lower", "upper"] });
        let defaults = json!({
            "kind": "password", "length": 24, "classes": ["lower", "upper", "digit", "symbol"],
            "symbols": "!#%&()*+,-./:;<=>?@[]^_{|}~"
        });
        for (given, written) in [
            (json!("token_urlsafe"), json!({ "kind": "token_urlsafe", "bytes": 32 })),
            (json!({ "kind": "hex", "bytes": 16 }), json!({ "kind": "hex", "bytes": 16 })),
            (json!({ "kind": "hex", "bytes": null }), json!({ "kind": "hex", "bytes": 32 })),
            (json!({ "length": 1024, "kind": "alphanumeric" }), json!({ "kind": "alphanumeric", "length": 1024 })),
            (json!({ "kind": "uuid" }), json!({ "kind": "uuid" })),
            (json!({ "kind": "password" }), defaults),
            (password.clone(), password.clone()),
            (json!({ "kind": "password", "length": 20, "symbols": "+%#!" }), password),
            (json!({ "kind": "password", "length": 12, "classes": ["upper", "lower"] }), letters),
        ] {
            let generator = generator(given).unwrap();
            assert_eq!(serde_json::to_value(&generator).unwrap(), written);
            assert_eq!(self::generator(written), Ok(generator));
        }
    }

    #[test]
    fn hostile_specs_are_refused_without_being_repeated() {
        let kinds = "the generator is not known: use token_urlsafe, hex, alphanumeric, uuid or password";
        let classes = "the classes of a password are one or more of lower, upper, digit and symbol, each once";
        let symbols = "the symbols of a password are one or more of ASCII's, such as !#%+, each once; no letters, digits or spaces";
        let range = "a password has 12 to 1024 characters: choose a length between them";
        let long: String = ('!'..='~').chain('!'..='~').collect();
        for (spec, fault) in [
            (json!("hunter2"), kinds),
            (json!(null), "it must be an object"),
            (json!(["hex"]), "it must be an object"),
            (json!({}), "missing field `kind`"),
            (json!({ "kind": null }), "`kind`: it must be text"),
            (json!({ "kind": "hunter2" }), kinds),
            (json!({ "kind": "hex", "length": 32 }), "unknown field `length`"),
            (json!({ "kind": "uuid", "bytes": 16 }), "unknown field `bytes`"),
            (json!({ "kind": "alphanumeric", "bytes": 32 }), "unknown field `bytes`"),
            (json!({ "kind": "password", "exclude_similar": true }), "unknown field `exclude_similar`"),
            (json!({ "kind": "hex", "bytes": -1 }), "`bytes`: it must be an integer from 0 on"),
            (json!({ "kind": "hex", "bytes": 32.0 }), "`bytes`: it must be an integer from 0 on"),
            (json!({ "kind": "hex", "bytes": "32" }), "`bytes`: it must be an integer from 0 on"),
            (
                json!({ "kind": "hex", "bytes": u64::MAX }),
                "a value of more than 512 random bytes is not made: use 16 to 512 bytes",
            ),
            (
                json!({ "kind": "alphanumeric", "length": u32::MAX }),
                "a value of more than 1024 characters is not made: use a length of 22 to 1024",
            ),
            (json!({ "kind": "password", "length": 11 }), range),
            (json!({ "kind": "password", "length": 1025 }), range),
            (json!({ "kind": "password", "length": u32::MAX }), range),
            (json!({ "kind": "password", "classes": [] }), classes),
            (json!({ "kind": "password", "classes": ["lower", "digit", "lower"] }), classes),
            (
                json!({ "kind": "password", "classes": ["hunter2"] }),
                "`classes`: [0] it is none of the names that the contract has",
            ),
            (json!({ "kind": "password", "classes": "lower" }), "`classes`: it must be a list"),
            (
                json!({ "kind": "password", "classes": ["lower"], "symbols": "!" }),
                "symbols are given for a password without the class symbol: add it, or leave them out",
            ),
            (json!({ "kind": "password", "symbols": "" }), symbols),
            (json!({ "kind": "password", "symbols": "!!" }), symbols),
            (json!({ "kind": "password", "symbols": "! " }), symbols),
            (json!({ "kind": "password", "symbols": "!a" }), symbols),
            (json!({ "kind": "password", "symbols": "!\n" }), symbols),
            (json!({ "kind": "password", "symbols": "!\u{a7}" }), symbols),
            (json!({ "kind": "password", "symbols": "\u{ff01}\0\u{202e}" }), symbols),
            (json!({ "kind": "password", "symbols": long }), symbols),
        ] {
            assert_eq!(generator(spec), Err(fault.into()));
        }
        let twice = read::<Generator>(r#"{"kind": "hex", "bytes": 32, "bytes": 16}"#);
        assert_eq!(twice.unwrap_err(), "unknown field `bytes`");
    }

    #[test]
    fn what_is_too_weak_is_refused_with_its_bits() {
        for (spec, bits) in [
            (json!({ "kind": "token_urlsafe", "bytes": 15 }), "have 120 bits"),
            (json!({ "kind": "hex", "bytes": 8 }), "have 64 bits"),
            (json!({ "kind": "hex", "bytes": 0 }), "have 0 bits"),
            (json!({ "kind": "alphanumeric", "length": 21 }), "have 125 bits"),
            (json!({ "kind": "alphanumeric", "length": 0 }), "have 0 bits"),
            (json!({ "kind": "password", "length": 12, "classes": ["lower"] }), "has 56 bits"),
            (json!({ "kind": "password", "length": 19, "classes": ["digit"] }), "has 63 bits"),
            (json!({ "kind": "password", "length": 1024, "classes": ["symbol"], "symbols": "!" }), "has 0 bits"),
            (json!({ "kind": "password", "length": 63, "classes": ["symbol"], "symbols": "+-" }), "has 63 bits"),
        ] {
            let fault = generator(spec).unwrap_err();
            assert!(fault.contains(bits) && fault.contains("are the least: "), "{fault}");
        }
        for error in [ByteCount::new(15).unwrap_err(), CharacterCount::new(21).unwrap_err()] {
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
        }
        let bits = |spec| generator(spec).unwrap().entropy_bits();
        assert_eq!(bits(json!({ "kind": "hex", "bytes": 16 })), 128);
        assert_eq!(bits(json!({ "kind": "alphanumeric", "length": 22 })), 130);
        assert_eq!(bits(json!({ "kind": "password", "length": 64, "classes": ["symbol"], "symbols": "+-" })), 64);
    }

    #[test]
    fn a_broken_source_ends_in_entropy_failed_and_never_in_a_value() {
        for name in NAMES {
            let generator = Generator::from_name(name).unwrap();
            for byte in 0..=255 {
                let bytes = [byte];
                let mut constant = Cycle::new(&bytes);
                assert_eq!(
                    generator.make(&mut constant).unwrap_err().code(),
                    ErrorCode::EntropyFailed,
                    "{name} {byte}"
                );
                assert_eq!(constant.fills, 1);
            }
        }
        // Not constant, but only ever lower-case letters: no candidate has all classes.
        let password = Generator::from_name("password").unwrap();
        let mut lower_case = Cycle::new(&[10, 20, 30, 40, 50]);
        assert_eq!(password.make(&mut lower_case).unwrap_err().code(), ErrorCode::EntropyFailed);
        assert_eq!(lower_case.fills, (1024 * 24usize).div_ceil(64));
    }

    #[test]
    fn an_error_of_the_source_is_passed_on() {
        struct Failing;
        impl Entropy for Failing {
            fn fill(&mut self, _: &mut [u8]) -> Result<()> {
                Err(Error::new(ErrorCode::EntropyFailed, "out of order"))
            }
        }
        for name in NAMES {
            let error = Generator::from_name(name).unwrap().make(&mut Failing).unwrap_err();
            assert_eq!(error.to_string(), "out of order", "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_strong_enough_makes_values_and_survives_being_written(
            kind in 0..5usize,
            size in prop::option::of(0..1100u32),
            classes in prop::option::of(prop::collection::vec(0..4usize, 0..5)),
            symbols in prop::option::of("[!-~]{0,6}"),
            seed in any::<u64>(),
        ) {
            let classes = classes.map(|list| list.iter().map(|i| ["lower", "upper", "digit", "symbol"][*i]).collect::<Vec<_>>());
            let name = NAMES[kind];
            let spec = match name {
                "token_urlsafe" | "hex" => json!({ "kind": name, "bytes": size }),
                "alphanumeric" => json!({ "kind": name, "length": size }),
                "uuid" => json!({ "kind": name }),
                _ => json!({ "kind": name, "length": size, "classes": classes, "symbols": symbols }),
            };
            if let Ok(accepted) = generator(spec) {
                let least = if name == "password" { 64 } else { 122 };
                prop_assert!(accepted.entropy_bits() >= least);
                let text = serde_json::to_string(&accepted).unwrap();
                prop_assert_eq!(read::<Generator>(&text), Ok(accepted.clone()));
                let value = made(&accepted, &mut Seeded::new(seed));
                prop_assert!(value.bytes().all(|byte| byte.is_ascii_graphic()));
                if let Generator::Password(rules) = accepted {
                    prop_assert_eq!(value.len(), rules.length());
                    for class in CharacterClass::ALL {
                        let there = value.bytes().any(|byte| match class {
                            CharacterClass::Lower => byte.is_ascii_lowercase(),
                            CharacterClass::Upper => byte.is_ascii_uppercase(),
                            CharacterClass::Digit => byte.is_ascii_digit(),
                            CharacterClass::Symbol => byte.is_ascii_punctuation(),
                        });
                        prop_assert_eq!(there, rules.classes().contains(&class));
                    }
                    let stray = value.chars().find(|c| c.is_ascii_punctuation() && !rules.symbols().unwrap().contains(*c));
                    prop_assert_eq!(stray, None);
                }
            }
        }
    }
}
