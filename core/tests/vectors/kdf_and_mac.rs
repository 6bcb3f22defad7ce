//! Wycheproof HKDF-SHA256 and HMAC-SHA256, against the types that derive our keys and make our MACs.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use wycheproof::{TestResult, hkdf as hkdf_set, mac as mac_set};

#[test]
fn hkdf_sha256_agrees_with_every_vector() {
    let (mut valid, mut refused) = (0, 0);
    for group in hkdf_set::TestSet::load(hkdf_set::TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests {
            let mut okm = vec![0; test.size];
            let expanded = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
            if test.salt.is_empty() {
                let mut unsalted = vec![0; test.size];
                let result = Hkdf::<Sha256>::new(None, &test.ikm).expand(&test.info, &mut unsalted);
                let same = result.is_ok() == expanded.is_ok() && unsalted == okm;
                assert!(same, "{}: no salt is an empty salt (RFC 5869)", test.tc_id);
            }
            if test.result == TestResult::Valid {
                expanded.unwrap();
                assert_eq!(okm, *test.okm, "{} {}", test.tc_id, test.comment);
                valid += 1;
            } else {
                assert!(expanded.is_err(), "{}: {} bytes are more than 255 blocks", test.tc_id, test.size);
                refused += 1;
            }
        }
    }
    assert_eq!((valid, refused), (83, 3));
}

#[test]
fn hmac_sha256_agrees_with_every_vector_and_truncated_tags_are_refused() {
    let mut counts = BTreeMap::new();
    for group in mac_set::TestSet::load(mac_set::TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let (id, valid) = (test.tc_id, test.result == TestResult::Valid);
            let mac = Hmac::<Sha256>::new_from_slice(&test.key).unwrap().chain_update(test.msg.as_slice());
            if test.key.len() <= 64 {
                // A key of one block, filled with zeros, is the same key (RFC 2104): how the vault's MACs are keyed.
                let mut block = [0; 64];
                block[..test.key.len()].copy_from_slice(&test.key);
                let padded = Hmac::<Sha256>::new(&block.into()).chain_update(test.msg.as_slice());
                assert_eq!(padded.finalize().into_bytes(), mac.clone().finalize().into_bytes(), "{id}");
            }
            let whole = mac.clone().finalize().into_bytes();
            assert_eq!(whole[..test.tag.len()] == test.tag[..], valid, "{id} {}", test.comment);
            let accepted = mac.verify_slice(&test.tag).is_ok();
            // `verify_slice` is what Fernet and the vault call: half a tag is no tag, valid or not.
            assert_eq!(accepted, valid && group.tag_size == 256, "{id} {}", test.comment);
            *counts.entry((group.tag_size, valid)).or_insert(0) += 1;
        }
    }
    let expected = [((128, false), 54), ((128, true), 33), ((256, false), 54), ((256, true), 33)];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}
