use super::document::WRAPPED_TEXT_PREFIX;
use super::*;
use crate::encoding::{base64url, from_base64url};
use crate::entropy::testing::Seeded;
use crate::keyring::{KeyInfo, KeyState};
use crate::time::Timestamp;
use alloc::string::ToString;
use sha2::{Digest, Sha256};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn cheap() -> PassphraseCost {
    PassphraseCost::new(8192, 1, 1).unwrap()
}

fn phrase(text: &str) -> SecretBytes {
    SecretBytes::copy_of(text.as_bytes())
}

/// What a host's KMS might do, and undo.
fn host_wrap(key: &SecretBytes) -> Vec<u8> {
    key.expose().iter().map(|byte| byte ^ 0x5a).collect()
}

fn ring() -> Keyring {
    let mut keyring = Keyring::parse(&"07".repeat(32)).unwrap();
    let entropy = &mut Seeded::new(1);
    let gone = keyring.add_enabled(entropy, Some("gone"), NOW).unwrap();
    let off = keyring.add_enabled(entropy, Some("off"), NOW).unwrap();
    keyring.add_primary(entropy, Some("2027"), NOW).unwrap();
    for id in [gone, off] {
        keyring.advance(&id, KeyState::Disabled).unwrap();
    }
    keyring.advance(&gone, KeyState::Destroyed).unwrap();
    keyring
}

/// Two passphrases and a host, side by side.
fn wrapped() -> (WrappedKeyring, DataKey) {
    let entropy = &mut Seeded::new(2);
    let (mut wrapped, key) = WrappedKeyring::seal(&ring(), entropy).unwrap();
    wrapped.add_passphrase(&key, "alice", &phrase("alice's passphrase"), cheap(), entropy).unwrap();
    wrapped.add_host(&key, "kms", &host_wrap(&key.dangerous_export())).unwrap();
    wrapped.add_passphrase(&key, "bob", &phrase("bob's passphrase"), cheap(), entropy).unwrap();
    (wrapped, key)
}

fn told(keyring: &Keyring) -> Vec<KeyInfo> {
    keyring.keys().cloned().collect()
}

fn message_of(text: &str) -> Vec<u8> {
    let mut bytes = from_base64url(text.strip_prefix(WRAPPED_TEXT_PREFIX).unwrap()).unwrap();
    bytes.truncate(bytes.len() - 32);
    bytes
}

/// A text with the right checksum: what somebody makes on purpose.
fn text_of(message: &[u8]) -> String {
    WRAPPED_TEXT_PREFIX.to_string() + &base64url(&[message, &Sha256::digest(message)].concat())
}

#[test]
fn every_wrap_opens_the_whole_keyring() {
    let text = wrapped().0.to_text().unwrap();
    let read = WrappedKeyring::parse(&format!(" {text}\r\n")).unwrap();
    assert_eq!(read.to_text().unwrap(), text);
    let of_host = read.host_wraps().next().unwrap();
    assert_eq!((of_host.0, read.host_wraps().count()), ("kms", 1));
    let unwrapped = SecretBytes::new(of_host.1.iter().map(|byte| byte ^ 0x5a).collect());
    for opened in [
        read.open_with_passphrase(&phrase("alice's passphrase")),
        read.open_with_passphrase(&phrase("bob's passphrase")),
        read.open_with_data_key(&unwrapped),
    ] {
        let opened = opened.unwrap();
        assert_eq!(told(&opened.keyring), told(&ring()));
        assert_eq!(opened.keyring.to_blob().unwrap(), ring().to_blob().unwrap());
        assert_eq!(opened.data_key.dangerous_export(), unwrapped);
    }
    let labels: Vec<_> = read.wraps().map(|wrap| (wrap.label(), wrap.cost(), wrap.opaque().is_some())).collect();
    assert_eq!(labels, [("alice", Some(cheap()), false), ("kms", None, true), ("bob", Some(cheap()), false)]);
}

#[test]
fn every_altered_character_is_told_from_a_wrong_passphrase() {
    let text = wrapped().0.to_text().unwrap();
    for place in 0..text.len() {
        for other in ['A', 'B', '=', '\n', '.'] {
            let mut altered = text.clone();
            altered.replace_range(place..=place, other.encode_utf8(&mut [0; 4]));
            if altered != text {
                let error = WrappedKeyring::parse(&altered).unwrap_err();
                assert_eq!(error.code(), ErrorCode::KeyInvalid, "{place} {other:?}");
            }
        }
    }
    for length in 0..text.len() {
        let error = WrappedKeyring::parse(&text[..length]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::KeyInvalid, "{length}");
    }
    for wrong in ["", "alice's passphras", "Alice's passphrase", "alice's passphrase "] {
        let error = WrappedKeyring::parse(&text).unwrap().open_with_passphrase(&phrase(wrong)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotAuthentic);
        assert!(error.message().starts_with("wrong passphrase"), "{error}");
    }
}

#[test]
fn what_is_altered_on_purpose_is_refused_too() {
    let entropy = &mut Seeded::new(2);
    let (mut wrapped, key) = WrappedKeyring::seal(&ring(), entropy).unwrap();
    wrapped.add_passphrase(&key, "alice", &phrase("alice's passphrase"), cheap(), entropy).unwrap();
    let message = message_of(&wrapped.to_text().unwrap());
    let raw = key.dangerous_export();
    let sealed_end = 38 + 9 + wrapped.sealed.len();
    for place in 0..message.len() {
        for bit in [0x01, 0x20] {
            let mut altered = message.clone();
            altered[place] ^= bit;
            let Ok(read) = WrappedKeyring::parse(&text_of(&altered)) else { continue };
            // The keyring is its own authority; of the wrap, whatever can be read has to open under its passphrase.
            let refused = match place < sealed_end {
                true => read.open_with_data_key(&raw).unwrap_err(),
                false if place % 7 == 0 || place < sealed_end + 90 => {
                    read.open_with_passphrase(&phrase("alice's passphrase")).unwrap_err()
                }
                false => continue,
            };
            assert!(matches!(refused.code(), ErrorCode::NotAuthentic), "{place} {bit}: {refused}");
        }
    }
}

#[test]
fn a_wrap_of_another_keyring_opens_nothing_here() {
    let (here, _) = wrapped();
    let entropy = &mut Seeded::new(9);
    let (mut there, there_key) = WrappedKeyring::seal(&ring(), entropy).unwrap();
    there.add_passphrase(&there_key, "eve", &phrase("eve's passphrase"), cheap(), entropy).unwrap();
    let mut spliced = WrappedKeyring::parse(&here.to_text().unwrap()).unwrap();
    spliced.wraps.insert(0, there.wraps.remove(0));
    let spliced = WrappedKeyring::parse(&spliced.to_text().unwrap()).unwrap();
    let refused = spliced.open_with_passphrase(&phrase("eve's passphrase")).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NotAuthentic);
    assert!(spliced.open_with_passphrase(&phrase("bob's passphrase")).is_ok());
    for refused in [
        spliced.open_with_data_key(&there_key.dangerous_export()),
        spliced.open_with_data_key(&phrase("short")),
        spliced.open_with_data_key(&SecretBytes::new(Vec::new())),
    ] {
        assert_eq!(refused.unwrap_err().code(), ErrorCode::NotAuthentic);
    }
    let mut here = here;
    for refused in [
        here.add_passphrase(&there_key, "eve", &phrase("eve's passphrase"), cheap(), entropy),
        here.add_host(&there_key, "eve", b"opaque"),
        here.reseal(&there_key, &ring(), entropy),
    ] {
        assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn a_changed_keyring_is_sealed_again_for_all_wraps() {
    let (mut wrapped, _) = wrapped();
    let before = wrapped.to_text().unwrap();
    let mut opened = wrapped.open_with_passphrase(&phrase("alice's passphrase")).unwrap();
    opened.keyring.add_primary(&mut Seeded::new(5), Some("2028"), NOW).unwrap();
    wrapped.reseal(&opened.data_key, &opened.keyring, &mut Seeded::new(6)).unwrap();
    let read = WrappedKeyring::parse(&wrapped.to_text().unwrap()).unwrap();
    let after = read.open_with_passphrase(&phrase("bob's passphrase")).unwrap();
    assert_eq!(told(&after.keyring), told(&opened.keyring));
    assert_eq!(after.keyring.keys().next().unwrap().label.as_deref(), Some("2028"));
    assert_ne!(wrapped.to_text().unwrap(), before);
}

#[test]
fn a_removed_wrap_opens_no_more_and_the_last_one_stays() {
    let (mut wrapped, key) = wrapped();
    wrapped.remove("alice").unwrap();
    let refused = wrapped.open_with_passphrase(&phrase("alice's passphrase")).unwrap_err();
    assert!(refused.message().contains("1 tried"), "{refused}");
    assert!(wrapped.open_with_passphrase(&phrase("bob's passphrase")).is_ok());
    assert_eq!(wrapped.remove("alice").unwrap_err().code(), ErrorCode::InvalidArgument);
    wrapped.remove("bob").unwrap();
    let refused = wrapped.open_with_passphrase(&phrase("bob's passphrase")).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unsupported);
    assert_eq!(wrapped.remove("kms").unwrap_err().code(), ErrorCode::KeyInUse);
    assert!(wrapped.open_with_data_key(&key.dangerous_export()).is_ok());
}

#[test]
fn a_keyring_that_nothing_opens_has_no_text() {
    let (wrapped, _) = WrappedKeyring::seal(&ring(), &mut Seeded::new(1)).unwrap();
    assert_eq!(wrapped.to_text().unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_refused_wrap_leaves_the_others_as_they_are() {
    let (mut wrapped, key) = wrapped();
    let before = wrapped.to_text().unwrap();
    let entropy = &mut Seeded::new(4);
    let long = "x".repeat(129);
    for (label, code) in [
        ("alice", ErrorCode::InvalidArgument),
        ("kms", ErrorCode::InvalidArgument),
        ("", ErrorCode::NameInvalid),
        ("a\u{7}", ErrorCode::NameInvalid),
        (&long, ErrorCode::NameInvalid),
    ] {
        let refused = wrapped.add_passphrase(&key, label, &phrase("long enough"), cheap(), entropy);
        assert_eq!(refused.unwrap_err().code(), code, "{label:?}");
        assert_eq!(wrapped.add_host(&key, label, b"opaque").unwrap_err().code(), code, "{label:?}");
    }
    let short = wrapped.add_passphrase(&key, "carol", &phrase("hunter2"), cheap(), entropy).unwrap_err();
    assert_eq!(short.code(), ErrorCode::ValueInvalid);
    let raw = key.dangerous_export();
    let clear = [b"v1:", raw.expose()].concat();
    for (opaque, code) in [
        (&b""[..], ErrorCode::LimitExceeded),
        (&[1; HOST_WRAP_MAX + 1], ErrorCode::LimitExceeded),
        (&clear, ErrorCode::InvalidArgument),
    ] {
        assert_eq!(wrapped.add_host(&key, "vault", opaque).unwrap_err().code(), code);
    }
    assert_eq!(wrapped.to_text().unwrap(), before);
}

#[test]
fn the_largest_wrapped_keyring_can_be_read_again() {
    let mut keyring = Keyring::parse(&"07".repeat(32)).unwrap();
    let entropy = &mut Seeded::new(1);
    let label = "x".repeat(128);
    while keyring.keys().count() < 1000 {
        keyring.add_enabled(entropy, Some(&label), NOW).unwrap();
    }
    let (mut wrapped, key) = WrappedKeyring::seal(&keyring, entropy).unwrap();
    for number in 0..WRAPS_MAX {
        wrapped.add_host(&key, &format!("{number:0>128}"), &[7; HOST_WRAP_MAX]).unwrap();
    }
    let text = wrapped.to_text().unwrap();
    assert!(text.len() <= WRAPPED_TEXT_MAX, "{}", text.len());
    let opened = WrappedKeyring::parse(&text).unwrap().open_with_data_key(&key.dangerous_export()).unwrap();
    assert_eq!(told(&opened.keyring), told(&keyring));
    assert_eq!(wrapped.add_host(&key, "one more", b"o").unwrap_err().code(), ErrorCode::LimitExceeded);
}

fn sealed_alone() -> String {
    WrappedKeyring::seal(&ring(), &mut Seeded::new(2)).unwrap().0.sealed
}

/// A document of our own making, with the right checksum.
fn forged(count: u64, wraps: impl Fn(&mut Encoder)) -> Result<WrappedKeyring> {
    let mut encoder = Encoder::new("strongroom/v1/wrapped-keyring");
    encoder.text(&sealed_alone()).integer(count);
    wraps(&mut encoder);
    WrappedKeyring::parse(&text_of(&encoder.finish()))
}

#[test]
fn hostile_documents_are_refused() {
    let host = |encoder: &mut Encoder, label: &str, opaque: &[u8]| {
        encoder.text("host").text(label).field(opaque);
    };
    assert!(forged(1, |to| host(to, "a", b"o")).is_ok());
    assert!(forged(2, |to| ["a", "b"].iter().for_each(|label| host(to, label, b"o"))).is_ok());
    let hostile = [
        forged(0, |_| ()),
        forged(0, |to| host(to, "a", b"o")),
        forged(1, |_| ()),
        forged(2, |to| host(to, "a", b"o")),
        forged(1, |to| ["a", "b"].iter().for_each(|label| host(to, label, b"o"))),
        forged(2, |to| ["a", "a"].iter().for_each(|label| host(to, label, b"o"))),
        forged(1, |to| host(to, "", b"o")),
        forged(1, |to| host(to, "a\n", b"o")),
        forged(1, |to| host(to, "a", b"")),
        forged(1, |to| host(to, "a", &[1; HOST_WRAP_MAX + 1])),
        forged(1, |to| {
            to.text("Host").text("a").field(b"o");
        }),
        forged(1, |to| {
            to.text("passphrase").text("a").field(b"o");
        }),
    ];
    for (index, read) in hostile.into_iter().enumerate() {
        assert_eq!(read.unwrap_err().code(), ErrorCode::KeyInvalid, "{index}");
    }
    for count in [33, u64::MAX] {
        assert_eq!(forged(count, |_| ()).unwrap_err().code(), ErrorCode::LimitExceeded);
    }
    let long = WRAPPED_TEXT_PREFIX.to_string() + &"A".repeat(WRAPPED_TEXT_MAX);
    assert_eq!(WrappedKeyring::parse(&long).unwrap_err().code(), ErrorCode::LimitExceeded);
    for no_document in
        ["", "srw1.", "srw2.AAAA", "sr1.AAAA", "{}", "\u{feff}srw1.AAAA", &text_of(b""), &text_of(&[1; 9])]
    {
        assert_eq!(WrappedKeyring::parse(no_document).unwrap_err().code(), ErrorCode::KeyInvalid, "{no_document}");
    }
}

#[test]
fn a_passphrase_that_would_cost_too_much_is_refused_before_anything_is_tried() {
    let sealed = sealed_alone();
    let with = |costs: [u64; 3], salt: &[u8]| {
        forged(1, |to| {
            to.text("passphrase").text("a");
            for cost in costs {
                to.integer(cost);
            }
            to.field(salt).text(&sealed);
        })
    };
    assert!(with([262_144, 16, 16], &[1; 16]).is_ok());
    for costs in
        [[262_145, 1, 1], [u64::from(u32::MAX), 1, 1], [8191, 1, 1], [8192, 17, 1], [8192, 0, 1], [8192, 1, 17]]
    {
        assert_eq!(with(costs, &[1; 16]).unwrap_err().code(), ErrorCode::LimitExceeded, "{costs:?}");
    }
    // Beyond 32 bits, where cutting the number would make it payable.
    assert_eq!(with([(1 << 32) + 8192, 1, 1], &[1; 16]).unwrap_err().code(), ErrorCode::LimitExceeded);
    assert_eq!(with([8192, 1, (1 << 32) + 1], &[1; 16]).unwrap_err().code(), ErrorCode::LimitExceeded);
    assert_eq!(with([8192, 1, 1], &[1; 15]).unwrap_err().code(), ErrorCode::KeyInvalid);
}

#[test]
fn no_formatter_shows_a_key_a_passphrase_or_what_they_are_sealed_in() {
    let (wrapped, key) = wrapped();
    let opened = wrapped.open_with_passphrase(&phrase("bob's passphrase")).unwrap();
    let shown = format!("{wrapped:?} {key:?} {opened:?} {wrapped:#?}");
    let opaque = format!("{:?}", wrapped.host_wraps().next().unwrap().1);
    let raw = key.dangerous_export();
    for hidden in [
        base64url(raw.expose()),
        crate::encoding::hex(raw.expose()),
        format!("{:?}", raw.expose()),
        "sr1.".into(),
        opaque,
    ] {
        assert!(!shown.contains(&hidden), "{shown}");
    }
    for exported in core::str::from_utf8(opened.keyring.dangerous_export().expose()).unwrap().split(',') {
        assert!(!shown.contains(&exported[5..]) && !shown.contains("passphrase\"s"), "{shown}");
    }
    assert!(
        format!("{wrapped:?}")
            .starts_with(r#"WrappedKeyring { wraps: [Wrap { label: "alice", kind: "passphrase", .. }"#)
    );
    assert_eq!(format!("{key:?}"), format!("DataKey(KeyMaterial {{ id: KeyId({}), .. }})", key.0.id()));
}

#[test]
fn what_is_kept_holds_no_key_in_the_clear() {
    let (wrapped, key) = wrapped();
    let message = message_of(&wrapped.to_text().unwrap());
    let sealed = wrapped.wraps.iter().filter_map(|wrap| match &wrap.door {
        Door::Passphrase { sealed, .. } => Some(sealed.as_str()),
        Door::Host { .. } => None,
    });
    let mut kept = alloc::vec![message];
    kept.extend(sealed.chain([wrapped.sealed.as_str()]).map(|text| from_base64url(&text[4..]).unwrap()));
    for bytes in kept {
        for secret in [key.0.raw(), &[7; 32]] {
            assert!(!bytes.windows(32).any(|window| window == secret));
        }
    }
}
