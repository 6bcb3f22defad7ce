//! C2SP XAES-256-GCM: the two single vectors, and the accumulated randomized test of 10,000 iterations.

use super::hex;
use shake::digest::{ExtendableOutput, Update, XofReader};
use shake::{Shake128, Shake128Reader};
use xaes_256_gcm::aead::{Aead, KeyInit, Payload};
use xaes_256_gcm::{Nonce, Xaes256Gcm};

const ITERATIONS: usize = 10_000;

fn check(key: [u8; 32], aad: &[u8], expected: [u8; 28]) {
    let cipher = Xaes256Gcm::new(&key.into());
    let nonce = Nonce::from(*b"ABCDEFGHIJKLMNOPQRSTUVWX");
    let sealed = cipher.encrypt(&nonce, Payload { msg: b"XAES-256-GCM", aad }).unwrap();
    assert_eq!(sealed, expected);
    assert_eq!(cipher.decrypt(&nonce, Payload { msg: &sealed, aad }).unwrap(), b"XAES-256-GCM");
}

#[test]
fn the_single_vector_without_carry() {
    check([1; 32], b"", hex("ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"));
}

#[test]
fn the_single_vector_with_carry() {
    check([3; 32], b"c2sp.org/XAES-256-GCM", hex("986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"));
}

/// Bytes of the stream behind a length of one octet.
fn read_opaque(stream: &mut Shake128Reader) -> Vec<u8> {
    let mut length = [0; 1];
    stream.read(&mut length);
    let mut bytes = vec![0; usize::from(length[0])];
    stream.read(&mut bytes);
    bytes
}

#[test]
fn the_accumulator_of_ten_thousand_random_values() {
    let mut beginning = [0; 16];
    Shake128::default().finalize_xof().read(&mut beginning);
    assert_eq!(beginning, hex::<16>("7f9c2ba4e88f827d616045507605853e"), "the stream is the one the document names");
    let (mut stream, mut accumulator) = (Shake128::default().finalize_xof(), Shake128::default());
    for iteration in 0..ITERATIONS {
        let (mut key, mut nonce) = ([0; 32], [0; 24]);
        stream.read(&mut key);
        stream.read(&mut nonce);
        let (plaintext, aad) = (read_opaque(&mut stream), read_opaque(&mut stream));
        let cipher = Xaes256Gcm::new(&key.into());
        let mut sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plaintext, aad: &aad }).unwrap();
        accumulator.update(&sealed);
        let opened = cipher.decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: &aad });
        assert_eq!(opened.unwrap(), plaintext, "{iteration}");
        let bit = iteration % (sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        assert!(cipher.decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: &aad }).is_err(), "{iteration}");
    }
    let mut digest = [0; 32];
    accumulator.finalize_xof().read(&mut digest);
    assert_eq!(digest, hex::<32>("e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"));
}
