//! The Fernet specification's own vectors: `generate`, `verify` and `invalid`.

use super::material;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde::Deserialize;
use strongroom::crypto::fernet::{Token, Validity};
use strongroom::crypto::{Format, KeyMaterial};
use strongroom::{ErrorCode, Keyring, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    desc: Option<String>,
    token: String,
    now: String,
    ttl_sec: Option<u64>,
    iv: Option<Vec<u8>>,
    src: Option<String>,
    secret: String,
}

impl Vector {
    fn key(&self) -> KeyMaterial {
        material(&URL_SAFE.decode(&self.secret).unwrap()).unwrap()
    }

    /// The present of the vector in seconds since the epoch, from text such as `1985-10-26T01:20:00-07:00`.
    fn now(&self) -> u64 {
        let number = |from: usize, to: usize| self.now[from..to].parse::<u8>().unwrap();
        let month = time::Month::try_from(number(5, 7)).unwrap();
        let date = time::Date::from_calendar_date(self.now[..4].parse().unwrap(), month, number(8, 10)).unwrap();
        let hour_east: i8 = self.now[19..22].parse().unwrap();
        let minute_east: i8 = self.now[23..].parse().unwrap();
        let offset = time::UtcOffset::from_hms(hour_east, minute_east * hour_east.signum(), 0).unwrap();
        let at = date.with_hms(number(11, 13), number(14, 16), number(17, 19)).unwrap().assume_offset(offset);
        at.unix_timestamp().try_into().unwrap()
    }

    fn validity(&self) -> Option<Validity> {
        Some(Validity { now: self.now(), ttl: self.ttl_sec? })
    }

    fn decrypt(&self, validity: Option<Validity>) -> Result<Vec<u8>> {
        Ok(Token::parse(&self.token)?.decrypt(self.key().fernet(), validity)?.expose().to_vec())
    }

    fn code(&self, validity: Option<Validity>) -> Option<ErrorCode> {
        self.decrypt(validity).err().map(|error| error.code())
    }
}

fn load(json: &str, count: usize) -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(json).unwrap();
    assert_eq!(vectors.len(), count);
    vectors
}

#[test]
fn tokens_are_generated_to_the_letter_and_read_back() {
    for vector in load(include_str!("fernet_generate.json"), 1) {
        let token = Token::parse(&vector.token).unwrap();
        assert_eq!(token.timestamp(), vector.now());
        assert_eq!(vector.now(), 499_162_800, "the specification's own instant");
        let (iv, src) = (vector.iv.clone().unwrap().try_into().unwrap(), vector.src.clone().unwrap());
        let written = vector.key().fernet().encrypt_with_iv(&iv, vector.now(), src.as_bytes()).unwrap();
        assert_eq!(written.to_text(), vector.token);
        assert_eq!(vector.decrypt(None).unwrap(), src.as_bytes());
    }
}

#[test]
fn tokens_that_verify_are_opened_within_their_time_and_by_the_keyring() {
    for vector in load(include_str!("fernet_verify.json"), 1) {
        let src = vector.src.clone().unwrap();
        assert!(vector.validity().is_some());
        assert_eq!(vector.decrypt(vector.validity()).unwrap(), src.as_bytes());
        let opened = Keyring::parse(&vector.secret).unwrap().decrypt(&vector.token, None).unwrap();
        assert_eq!((opened.value.expose(), opened.format), (src.as_bytes(), Format::Fernet));
    }
}

#[test]
fn invalid_tokens_are_refused_each_for_its_own_reason() {
    use ErrorCode::{NotAuthentic, TokenMalformed};
    // With the vector's time and lifetime, and with neither.
    let expected = [
        ("incorrect mac", Some(NotAuthentic), Some(NotAuthentic)),
        ("too short", Some(TokenMalformed), Some(TokenMalformed)),
        ("invalid base64", Some(TokenMalformed), Some(TokenMalformed)),
        ("payload size not multiple of block size", Some(TokenMalformed), Some(TokenMalformed)),
        ("payload padding error", Some(NotAuthentic), Some(NotAuthentic)),
        ("far-future TS (unacceptable clock skew)", Some(NotAuthentic), None),
        ("expired TTL", Some(NotAuthentic), None),
        ("incorrect IV (causes padding error)", Some(NotAuthentic), Some(NotAuthentic)),
    ];
    let vectors = load(include_str!("fernet_invalid.json"), expected.len());
    for (vector, (description, in_time, at_any_time)) in vectors.iter().zip(expected) {
        assert_eq!(vector.desc.as_deref(), Some(description));
        assert!(vector.validity().is_some());
        assert_eq!(vector.code(vector.validity()), in_time, "{description}");
        assert_eq!(vector.code(None), at_any_time, "{description}, whatever the time");
        let by_keyring = Keyring::parse(&vector.secret).unwrap().decrypt(&vector.token, None);
        let code = by_keyring.err().map(|error| error.code());
        match description {
            // Not beginning like a Fernet token, this one is read as `node_gcm`.
            "invalid base64" => assert_eq!(code, Some(NotAuthentic)),
            _ => assert_eq!(code, at_any_time, "{description}, by the keyring"),
        }
    }
}
