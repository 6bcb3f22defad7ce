use super::*;

const KEY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
const TEXT: &[u8] = b"{\"format\":\"strongroom/archive/v1\"}\nhunter2\n";

fn secret(text: &str) -> SecretBytes {
    SecretBytes::copy_of(text.as_bytes())
}

fn keys() -> Identities {
    Identities::parse(&[secret(KEY)]).unwrap()
}

fn file(form: Form) -> Vec<u8> {
    seal(&SecretBytes::copy_of(TEXT), &Recipients::parse(&[RECIPIENT.into()]).unwrap(), form).unwrap()
}

#[track_caller]
fn refused(file: &[u8], with: &Identities) -> Error {
    open(file, with).expect_err("it was opened")
}

#[test]
fn what_is_sealed_for_a_key_is_opened_with_it_binary_or_armored_and_tells_little_by_its_length() {
    for form in [Form::Binary, Form::Armored] {
        let opened = open(&file(form), &keys()).unwrap();
        assert_eq!(opened.expose(), TEXT);
    }
    let longer = SecretBytes::new([TEXT, &[b'x'; 40_000], b"\n"].concat());
    let sealed = seal(&longer, &Recipients::parse(&[RECIPIENT.into()]).unwrap(), Form::Binary).unwrap();
    // But for the random stanza that the age crate adds.
    assert!(sealed.len().abs_diff(file(Form::Binary).len()) < 300);
    assert_eq!(open(&sealed, &keys()).unwrap(), longer);
}

#[test]
fn a_passphrase_opens_its_file_and_another_one_does_not() {
    let phrase = || Identities::passphrase(secret("correct horse battery")).unwrap();
    let to = Recipients::passphrase(secret("correct horse battery")).unwrap();
    let file = seal(&SecretBytes::copy_of(TEXT), &to, Form::Binary).unwrap();
    assert_eq!(open(&file, &phrase()).unwrap().expose(), TEXT);
    let wrong = refused(&file, &Identities::passphrase(secret("correct horse batter")).unwrap());
    assert_eq!(wrong.code(), ErrorCode::BackupInvalid);
    assert!(wrong.message().contains("passphrase is wrong"), "{wrong}");
    assert!(refused(&file, &keys()).message().contains("made for a passphrase"));
    assert!(refused(&self::file(Form::Binary), &phrase()).message().contains("made for keys"));
    for (text, code) in [("short", ErrorCode::ValueInvalid), ("", ErrorCode::ValueInvalid)] {
        assert_eq!(Recipients::passphrase(secret(text)).err().unwrap().code(), code);
    }
    assert!(Recipients::passphrase(secret(&"x".repeat(1025))).is_err());
    assert!(Identities::passphrase(SecretBytes::new(vec![0xff])).is_err());
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for form in [Form::Binary, Form::Armored] {
        let file = file(form);
        for length in (0..600).step_by(7).chain((600..file.len()).step_by(1801)).chain([file.len() - 1]) {
            // The end of the last line of armor is no part of it.
            if form == Form::Armored && length == file.len() - 1 {
                continue;
            }
            let error = refused(&file[..length], &keys());
            assert_eq!(error.code(), ErrorCode::BackupInvalid, "{length}: {error}");
        }
        let longer = [&file[..], b"more"].concat();
        assert_eq!(refused(&longer, &keys()).code(), ErrorCode::BackupInvalid);
    }
}

#[test]
fn a_file_with_any_bit_flipped_is_refused() {
    let file = file(Form::Binary);
    for place in (0..600).step_by(3).chain((600..file.len()).step_by(1997)) {
        let mut altered = file.clone();
        altered[place] ^= 1;
        assert_eq!(refused(&altered, &keys()).code(), ErrorCode::BackupInvalid, "{place}");
    }
}

#[test]
fn what_is_no_age_file_is_told_so() {
    for (file, why) in [
        (&b""[..], "empty"),
        (b"\n", "no age file"),
        (b"{\"format\":\"strongroom/archive/v1\"}\n", "no age file"),
        (b"age-encryption.org/v1", "cut short"),
        (b"age-encryption.org/v2\n-> x\n\n--- \n", "format that this release does not read"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "armor"),
    ] {
        let error = refused(file, &keys());
        assert_eq!(error.code(), ErrorCode::BackupInvalid);
        assert!(error.message().contains(why), "{error}");
    }
}

#[test]
fn a_header_that_asks_for_too_much_is_refused_before_it_is_paid() {
    let stanza = |work: u32| {
        format!(
            "age-encryption.org/v1\n-> scrypt 0123456789abcdefghijkA {work}\n{}\n--- {}\n{}",
            "A".repeat(43),
            "A".repeat(43),
            "x".repeat(64)
        )
    };
    let phrase = Identities::passphrase(secret("correct horse battery")).unwrap();
    for work in [21, 22, 63] {
        let error = refused(stanza(work).as_bytes(), &phrase);
        assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
    }
    for work in [64, 255, 256, u32::MAX] {
        assert_ne!(refused(stanza(work).as_bytes(), &phrase).message(), "", "{work}");
    }
    let many = format!("age-encryption.org/v1\n{}--- {}\n", "-> a b\n\n".repeat(1_000_000), "A".repeat(43));
    assert!(refused(many.as_bytes(), &keys()).message().contains("longer than 16 KiB"));
    let huge = vec![b'\n'; PLAIN_MAX / 2 * 3 + 1];
    assert_eq!(refused(&huge, &keys()).code(), ErrorCode::LimitExceeded);
}

#[test]
fn keys_are_read_as_age_keygen_writes_them_and_never_repeated() {
    let whole = format!("# created: 2026-01-01T00:00:00Z\n# public key: {RECIPIENT}\r\n{KEY}\r\n\n");
    assert!(open(&file(Form::Binary), &Identities::parse(&[secret(&whole)]).unwrap()).is_ok());
    let other = x25519::Identity::generate().to_string();
    let other = secret(age::secrecy::ExposeSecret::expose_secret(&other));
    assert!(refused(&file(Form::Binary), &Identities::parse(&[other]).unwrap()).message().contains("none of these"));
    for text in ["", "hunter2", RECIPIENT, "# a comment\n", "AGE-SECRET-KEY-1GFPYYSJZ"] {
        let error = Identities::parse(&[secret(text)]).err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(!error.message().contains("hunter2") && !error.message().contains("GFPYY"));
    }
    let many = format!("{KEY}\n").repeat(65);
    assert_eq!(Identities::parse(&[secret(&many)]).err().unwrap().code(), ErrorCode::LimitExceeded);
    for keys in [vec![], vec![String::new()], vec![KEY.to_string()], vec!["age1hunter2".to_string()]] {
        let error = Recipients::parse(&keys).err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(!error.message().contains("hunter2"));
    }
    let many = vec![RECIPIENT.to_string(); 65];
    assert_eq!(Recipients::parse(&many).err().unwrap().code(), ErrorCode::LimitExceeded);
    let most = Recipients::parse(&many[..64]).unwrap();
    let sealed = seal(&SecretBytes::copy_of(TEXT), &most, Form::Binary).unwrap();
    assert_eq!(open(&sealed, &keys()).unwrap().expose(), TEXT);
}
