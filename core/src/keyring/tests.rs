use super::*;
use crate::entropy::testing::Seeded;
use alloc::vec;

const BASE64: &str = "x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=";
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn ring(seed: u64) -> Keyring {
    Keyring::generate(&mut Seeded::new(seed), NOW).unwrap()
}

fn id(ring: &Keyring) -> KeyId {
    ring.keys().next().unwrap().id
}

#[test]
fn one_key_is_read_from_every_text_that_people_have_for_it() {
    let expected = id(&Keyring::parse(BASE64).unwrap());
    let exported = Keyring::parse(BASE64).unwrap().dangerous_export();
    let texts = [
        BASE64.to_string(),
        format!("  {BASE64}\r\n"),
        BASE64.trim_end_matches('=').to_string(),
        BASE64.replace('+', "-").replace('/', "_"),
        "c78da2358c52a888c11f2d1fbd9eed533b2a1ecbc62b6b63ea5a94496266355a".to_string(),
        "C78DA2358C52A888C11F2D1FBD9EED533B2A1ECBC62B6B63EA5A94496266355A".to_string(),
        core::str::from_utf8(exported.expose()).unwrap().to_string(),
    ];
    for text in texts {
        assert_eq!(id(&Keyring::parse(&text).unwrap()), expected);
    }
}

#[test]
fn text_that_is_no_key_is_described_and_not_repeated() {
    let srk1 = ring(1).dangerous_export();
    let srk1 = core::str::from_utf8(srk1.expose()).unwrap();
    let mut altered = srk1.to_string();
    altered.replace_range(10..11, if &altered[10..11] == "A" { "B" } else { "A" });
    let cases = [
        ("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNQ==", "base64 of 31 bytes"),
        ("c78da2358c52a888c11f2d1fbd9eed533b2a1ecbc62b6b63ea5a94496266355", "63 hex digits"),
        ("correct horse battery staple", "28 characters that are neither"),
        ("hunter2", "7 characters that are neither"),
        (&altered, "checksum"),
        (&srk1[..srk1.len() - 1], "checksum"),
        ("srk1.", "checksum"),
    ];
    for (text, what) in cases {
        let error = Keyring::parse(text).unwrap_err();
        assert_eq!(error.code(), ErrorCode::KeyInvalid, "{what}");
        assert!(error.message().contains(what), "{error}");
        assert!(error.message().contains("openssl rand -base64 32"), "{error}");
        assert!(!error.message().contains(text), "{error}");
    }
    assert_eq!(Keyring::parse(" \n, ").unwrap_err().code(), ErrorCode::NotConfigured);
    assert!(Keyring::parse(&format!("{BASE64},{BASE64}")).unwrap_err().message().contains("key 2 is there twice"));
}

#[test]
fn the_first_key_of_a_list_writes_and_all_read() {
    let (old, new) = (ring(1), ring(2));
    let sealed = old.encrypt((&mut Seeded::new(9), NOW), b"v", Format::Sealed, None).unwrap();
    let legacy = old.encrypt((&mut Seeded::new(9), NOW), b"v", Format::NodeGcm, None).unwrap();
    let texts = [new.dangerous_export(), old.dangerous_export()];
    let joined = texts.map(|text| core::str::from_utf8(text.expose()).unwrap().to_string()).join("\n");
    let both = Keyring::parse(&joined).unwrap();
    assert_eq!(both.keys().map(|key| key.state).collect::<Vec<_>>(), vec![KeyState::Primary, KeyState::Enabled]);
    for text in [&sealed, &legacy] {
        let opened = both.decrypt(text, None).unwrap();
        assert_eq!((opened.value.expose(), opened.key_id), (b"v".as_slice(), id(&old)));
    }
    let written = both.encrypt((&mut Seeded::new(3), NOW), b"w", Format::Sealed, None).unwrap();
    assert_eq!(new.decrypt(&written, None).unwrap().value.expose(), b"w");
    let unknown = old.decrypt(&written, None).unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::KeyUnknown);
    assert!(unknown.message().starts_with("Decryption failed - wrong key"), "{unknown}");
    assert_eq!(new.decrypt(&legacy, None).unwrap_err(), Error::not_authentic());
}

#[test]
fn a_key_goes_through_its_life_in_one_direction() {
    let mut keys = ring(1);
    let first = id(&keys);
    let old = keys.encrypt((&mut Seeded::new(9), NOW), b"v", Format::Sealed, None).unwrap();
    assert_eq!(keys.advance(&first, KeyState::Disabled).unwrap_err().code(), ErrorCode::KeyInUse);
    let second = keys.add_primary(&mut Seeded::new(2), Some("2026"), NOW).unwrap();
    assert_eq!(
        keys.keys().map(|key| (key.id, key.state)).collect::<Vec<_>>(),
        [(second, KeyState::Primary), (first, KeyState::Enabled)]
    );
    assert_eq!(keys.advance(&first, KeyState::Destroyed).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert!(keys.decrypt(&old, None).is_ok());
    keys.advance(&first, KeyState::Disabled).unwrap();
    assert!(keys.decrypt(&old, None).unwrap_err().message().contains("which is disabled"));
    keys.advance(&first, KeyState::Destroyed).unwrap();
    assert!(keys.decrypt(&old, None).unwrap_err().message().contains("which is destroyed"));
    assert_eq!(keys.advance(&first, KeyState::Disabled).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(
        keys.advance(&KeyId::from_bytes([0; 32]), KeyState::Disabled).unwrap_err().code(),
        ErrorCode::KeyUnknown
    );
}

#[test]
fn the_environment_names_exactly_one_place() {
    let of = |key, file| Keyring::from_environment(&Environment { key, file });
    assert!(of(Some(BASE64), None).is_ok());
    assert!(of(Some("  "), Some(BASE64)).is_ok());
    for (key, file, code) in [
        (None, None, ErrorCode::NotConfigured),
        (Some(" \n"), None, ErrorCode::NotConfigured),
        (None, Some("\n"), ErrorCode::NotConfigured),
        (Some(BASE64), Some(BASE64), ErrorCode::InvalidArgument),
        (Some("hunter2"), None, ErrorCode::KeyInvalid),
    ] {
        let error = of(key, file).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.message().starts_with("Encryption not configured"), "{error}");
        assert!(!error.message().contains("hunter2"));
    }
}

#[test]
fn associated_data_is_refused_where_it_would_bind_nothing() {
    for format in [Format::NodeGcm, Format::Fernet] {
        let error = ring(1).encrypt((&mut Seeded::new(1), NOW), b"v", format, Some(b"row")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn a_fernet_token_carries_the_second_it_was_made_in() {
    for (now, second) in [(1_700_000_000_999, 1_700_000_000), (999, 0), (0, 0), (-1, 0)] {
        let now = Timestamp::from_millis(now);
        let text = ring(1).encrypt((&mut Seeded::new(9), now), b"v", Format::Fernet, None).unwrap();
        assert_eq!(Token::parse(&text).unwrap().timestamp(), second);
        let opened = ring(1).decrypt(&text, None).unwrap();
        assert_eq!((opened.value.expose(), opened.format), (&b"v"[..], Format::Fernet));
    }
}

#[test]
fn only_the_formats_that_are_accepted_are_opened() {
    let all = [Format::Sealed, Format::Fernet, Format::NodeGcm];
    for written in all {
        let text = ring(1).encrypt((&mut Seeded::new(9), NOW), b"v", written, None).unwrap();
        for accepted in [&all[..], &all[..1], &all[1..2], &all[2..], &all[..2], &all[1..], &[]] {
            let opened = ring(1).decrypt_only(accepted, &text, None);
            match accepted.contains(&written) {
                true => assert_eq!(opened.unwrap().value.expose(), b"v"),
                false => {
                    let error = opened.unwrap_err();
                    assert_eq!(error.code(), ErrorCode::TokenMalformed, "{written:?} of {accepted:?}");
                    assert!(error.message().contains(written.name()), "{error}");
                }
            }
        }
    }
    // The format is refused before the key is looked for.
    let foreign = ring(2).encrypt((&mut Seeded::new(9), NOW), b"v", Format::Fernet, None).unwrap();
    let error = ring(1).decrypt_only(&[Format::Sealed], &foreign, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TokenMalformed);
}

#[test]
fn text_in_no_format_is_malformed() {
    for text in ["", "hunter2", "sr1.", "sr1.AAAA", "sr2.AAAA", "gAAAAA"] {
        assert_eq!(ring(1).decrypt(text, None).unwrap_err().code(), ErrorCode::TokenMalformed, "{text}");
    }
}

#[test]
fn a_new_key_is_rolled_out_in_two_steps() {
    let mut keys = ring(1);
    let old = id(&keys);
    let new = keys.add_enabled(&mut Seeded::new(2), Some("2027"), NOW).unwrap();
    let states = |keys: &Keyring| keys.keys().map(|key| (key.id, key.state)).collect::<Vec<_>>();
    assert_eq!(states(&keys), [(old, KeyState::Primary), (new, KeyState::Enabled)]);
    let write = |keys: &Keyring| keys.encrypt((&mut Seeded::new(9), NOW), b"v", Format::Sealed, None).unwrap();
    let before = write(&keys);
    assert_eq!(keys.decrypt(&before, None).unwrap().key_id, old);

    let (mut behind, _) = (ring(1), keys.make_primary(&new).unwrap());
    assert_eq!(states(&keys), [(new, KeyState::Primary), (old, KeyState::Enabled)]);
    let after = write(&keys);
    assert_eq!(keys.decrypt(&after, None).unwrap().key_id, new);
    assert!(keys.decrypt(&before, None).is_ok());
    // Who has taken the first step alone reads what those write who have taken both.
    assert_eq!(behind.decrypt(&after, None).unwrap_err().code(), ErrorCode::KeyUnknown);
    assert_eq!(behind.add_enabled(&mut Seeded::new(2), Some("2027"), NOW).unwrap(), new);
    assert!(behind.decrypt(&after, None).is_ok());

    let told = keys.keys().next().unwrap();
    assert_eq!((told.label.as_deref(), told.created_at), (Some("2027"), Some(NOW)));
    keys.make_primary(&new).unwrap();
    assert_eq!(states(&keys), [(new, KeyState::Primary), (old, KeyState::Enabled)]);
}

#[test]
fn only_a_key_that_reads_becomes_primary() {
    let mut keys = ring(1);
    let other = keys.add_enabled(&mut Seeded::new(2), None, NOW).unwrap();
    let primary = id(&keys);
    for state in [KeyState::Disabled, KeyState::Destroyed] {
        keys.advance(&other, state).unwrap();
        assert_eq!(keys.make_primary(&other).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    let unknown = KeyId::from_bytes([0; 32]);
    assert_eq!(keys.make_primary(&unknown).unwrap_err().code(), ErrorCode::KeyUnknown);
    assert_eq!(keys.primary().unwrap().id(), primary);
}

#[test]
fn the_keys_between_keep_their_order_when_one_becomes_primary() {
    let mut keys = ring(1);
    let first = id(&keys);
    let [a, b, c] = [2, 3, 4].map(|seed| keys.add_enabled(&mut Seeded::new(seed), None, NOW).unwrap());
    keys.make_primary(&b).unwrap();
    assert_eq!(keys.keys().map(|key| key.id).collect::<Vec<_>>(), [b, first, a, c]);
}

#[test]
fn a_key_that_is_there_already_and_a_label_that_breaks_the_rules_change_nothing() {
    let mut keys = ring(1);
    let again = keys.add_primary(&mut Seeded::new(1), None, NOW).unwrap_err();
    assert_eq!(again.code(), ErrorCode::EntropyFailed);
    let long = "x".repeat(129);
    for label in ["", "a\nb", &long] {
        let refused = keys.add_primary(&mut Seeded::new(2), Some(label), NOW).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::NameInvalid);
    }
    assert_eq!(keys.keys().map(|key| key.state).collect::<Vec<_>>(), [KeyState::Primary]);
}

#[test]
fn keyrings_that_agree_have_the_same_states() {
    let mut one = ring(1);
    let old = id(&one);
    let new = one.add_primary(&mut Seeded::new(2), Some("here"), NOW).unwrap();
    let mut other = ring(2);
    assert_ne!(one.states(), other.states());
    assert_eq!(other.add_enabled(&mut Seeded::new(1), None, NOW).unwrap(), old);
    assert_eq!(one.states(), other.states());
    let mut expected = vec![(new, KeyState::Primary), (old, KeyState::Enabled)];
    expected.sort();
    assert_eq!(one.states(), expected);
    one.advance(&old, KeyState::Disabled).unwrap();
    assert_ne!(one.states(), other.states());
}

#[test]
fn a_key_that_there_is_already_comes_in_from_its_text_and_reads() {
    let (mut keys, other) = (ring(1), ring(2));
    let text = other.dangerous_export();
    let text = format!(" {}\n", core::str::from_utf8(text.expose()).unwrap());
    assert_eq!(keys.add_enabled_text(&text, Some("2027")).unwrap(), id(&other));
    let added = keys.keys().last().unwrap();
    assert_eq!((added.state, added.label.as_deref(), added.created_at), (KeyState::Enabled, Some("2027"), None));
    let sealed = other.encrypt((&mut Seeded::new(3), NOW), b"x", Format::Sealed, None).unwrap();
    assert_eq!(keys.decrypt(&sealed, None).unwrap().value.expose(), b"x");
    let before: Vec<_> = keys.keys().cloned().collect();
    let lists = format!("{},{}", "07".repeat(32), "08".repeat(32));
    for (text, label) in [(&*text, None), (BASE64, Some("")), ("hunter2", None), ("", None), (&*lists, None)] {
        let refused = keys.add_enabled_text(text, label).unwrap_err();
        let expected = if label.is_some() { ErrorCode::NameInvalid } else { ErrorCode::KeyInvalid };
        assert_eq!(refused.code(), expected);
        assert!(!refused.message().contains("hunter2"));
    }
    assert_eq!(keys.keys().cloned().collect::<Vec<_>>(), before);
}

#[test]
fn a_destroyed_key_does_not_come_back_from_its_text() {
    let (mut keys, other) = (ring(1), Keyring::parse(BASE64).unwrap());
    let gone = keys.add_enabled_text(BASE64, None).unwrap();
    assert_eq!(gone, id(&other));
    keys.advance(&gone, KeyState::Disabled).unwrap();
    keys.advance(&gone, KeyState::Destroyed).unwrap();
    assert_eq!(keys.add_enabled_text(BASE64, None).unwrap_err().code(), ErrorCode::KeyInvalid);
}

#[test]
fn a_copy_of_a_keyring_goes_its_own_way() {
    let mut keys = ring(1);
    let gone = keys.add_enabled(&mut Seeded::new(2), Some("gone"), NOW).unwrap();
    keys.advance(&gone, KeyState::Disabled).unwrap();
    keys.advance(&gone, KeyState::Destroyed).unwrap();
    let mut copy = keys.duplicate();
    assert!(copy.keys().eq(keys.keys()));
    let sealed = keys.encrypt((&mut Seeded::new(3), NOW), b"x", Format::Sealed, None).unwrap();
    assert_eq!(copy.decrypt(&sealed, None).unwrap().value.expose(), b"x");
    copy.relabel(&id(&keys), Some("2026")).unwrap();
    assert_eq!(copy.keys().next().unwrap().label.as_deref(), Some("2026"));
    assert_eq!(keys.keys().next().unwrap().label, None);
    copy.relabel(&id(&keys), None).unwrap();
    assert!(copy.keys().eq(keys.keys()));
    assert_eq!(copy.relabel(&id(&ring(9)), None).unwrap_err().code(), ErrorCode::KeyUnknown);
    assert_eq!(copy.relabel(&id(&keys), Some("a\n")).unwrap_err().code(), ErrorCode::NameInvalid);
}
