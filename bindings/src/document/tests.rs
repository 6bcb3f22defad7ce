use super::*;
use proptest::prelude::*;
use std::fmt::Write;
use strongroom::SecretBytes;
use strongroom::manifest::{Manifest, check_value, dotenv_example};

const AGENT: &[u8] = include_bytes!("../../tests/documents/agent.env");
const JOBS: &[u8] = include_bytes!("../../tests/documents/jobs.yml");

#[cfg(feature = "documents")]
const ALL: [Format; 3] = [Format::Json, Format::Yaml, Format::Toml];
#[cfg(not(feature = "documents"))]
const ALL: [Format; 1] = [Format::Json];

fn text(text: &str) -> Json {
    Json::Text(text.into())
}

fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
    Json::Object(fields.map(|(name, value)| (name.into(), value)).into())
}

fn refused(format: Format, given: impl AsRef<[u8]>) -> String {
    let error = parse(format, given.as_ref()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
    assert!(!error.message().contains("canary"), "{error}");
    error.message().to_string()
}

fn beyond(format: Format, given: &str) {
    assert_eq!(parse(format, given.as_bytes()).unwrap_err().code(), ErrorCode::LimitExceeded);
}

/// A small document with this text in it, in each format.
fn holding(format: Format, inner: &str) -> String {
    match format {
        Format::Json => format!("{{\"k\": \"{inner}\"}}\n"),
        Format::Yaml => format!("k: \"{inner}\"\n"),
        Format::Toml => format!("k = \"{inner}\"\n"),
    }
}

#[test]
fn formats_are_known_by_name_and_by_ending() {
    for (path, format) in
        [("a.json", Format::Json), ("/x/c.yml", Format::Yaml), ("C.YAML", Format::Yaml), ("p.toml", Format::Toml)]
    {
        assert_eq!(Format::of_path(path), Ok(format));
    }
    for path in ["", "yaml", "a.env", "a.toml.bak", ".", "a.yml/b"] {
        assert_eq!(Format::of_path(path).unwrap_err().code(), ErrorCode::InvalidArgument, "{path}");
    }
    assert_eq!(Format::from_name("yml").unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn every_format_takes_a_byte_order_mark_and_both_ends_of_lines() {
    for format in ALL {
        let expected = Ok(object([("k", text("v"))]));
        let plain = holding(format, "v");
        assert_eq!(parse(format, plain.as_bytes()), expected);
        assert_eq!(parse(format, format!("\u{feff}{plain}").as_bytes()), expected, "{format:?}");
        assert_eq!(parse(format, plain.replace('\n', "\r\n").as_bytes()), expected, "{format:?}");
    }
}

#[test]
fn what_is_no_utf_8_is_refused_with_its_line() {
    for format in ALL {
        let plain = holding(format, "v").into_bytes();
        for (bytes, line) in [
            ([&plain[..], b"\xff"].concat(), 2),
            ([b"\xff", &plain[..]].concat(), 1),
            ([&plain[..], b"\xe2\x82"].concat(), 2),
            ([b"\xed\xa0\x80", &plain[..]].concat(), 1),
            ([b"\xff\xfe", &plain[..]].concat(), 1),
        ] {
            let message = refused(format, &bytes);
            assert!(message.contains(&format!("line {line}: it is not UTF-8")), "{message}");
        }
    }
    assert!(parse_dotenv(b"A=1\nB=\xff").unwrap_err().message().contains("line 2: it is not UTF-8"));
}

#[test]
fn a_line_of_ten_megabytes_is_read_and_a_longer_text_is_not() {
    let inner = "x".repeat(TEXT_MAX - 16);
    for format in ALL {
        let Ok(Json::Object(fields)) = parse(format, holding(format, &inner).as_bytes()) else { panic!("{format:?}") };
        assert_eq!(fields, [("k".to_string(), text(&inner))], "{format:?}");
        beyond(format, &"x".repeat(TEXT_MAX + 1));
    }
    for quote in ["", "'", "\""] {
        let variables = parse_dotenv(format!("A={quote}{inner}{quote}").as_bytes()).unwrap();
        assert_eq!(variables[0].1.len(), inner.len());
    }
    assert_eq!(parse_dotenv(&vec![b'x'; TEXT_MAX + 1]).unwrap_err().code(), ErrorCode::LimitExceeded);
}

#[test]
fn keys_that_are_there_twice_are_refused() {
    for given in [r#"{"a": 1, "canary": 2, "a": 3}"#, r#"[{"x": {"a": 1, "\u0061": "canary"}}]"#] {
        assert!(refused(Format::Json, given).contains("a key twice"));
    }
    if cfg!(feature = "documents") {
        let message = refused(Format::Yaml, "x:\n  a: 1\n  'a': canary\n");
        assert!(message.contains("line 2: the mapping that begins here has a key twice"), "{message}");
        refused(Format::Yaml, "{a: 1, \"a\": 2}");
        for given in ["a = 1\na = 'canary'\n", "[t]\na = 1\n[t]\n", "a.b = 1\na.b = 2\n", "x = {a = 1, a = 2}\n"] {
            assert!(refused(Format::Toml, given).contains("a key is there twice"), "{given}");
        }
    }
}

#[test]
fn depth_is_bounded_in_every_format() {
    let lists = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| "{\"k\":".repeat(depth) + "1" + &"}".repeat(depth);
    for given in [lists(DEPTH_MAX), objects(DEPTH_MAX)] {
        assert!(parse(Format::Json, given.as_bytes()).is_ok());
    }
    for given in [lists(DEPTH_MAX + 1), objects(DEPTH_MAX + 1), "[".repeat(1 << 20), "[{\"k\":".repeat(1 << 20)] {
        beyond(Format::Json, &given);
    }
    // Brackets in strings are no levels, and an escaped quote ends none.
    let string = format!("[\"{}\\\"{}\"]", "[".repeat(100), "{".repeat(100));
    assert!(parse(Format::Json, string.as_bytes()).is_ok());
}

#[test]
fn the_number_of_values_is_bounded() {
    let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    assert!(parse(Format::Json, list(VALUES_MAX - 1).as_bytes()).is_ok());
    beyond(Format::Json, &list(VALUES_MAX));
    if cfg!(feature = "documents") {
        assert!(parse(Format::Yaml, list(VALUES_MAX - 1).as_bytes()).is_ok());
        beyond(Format::Yaml, &list(VALUES_MAX));
        beyond(Format::Yaml, &"- 1\n".repeat(VALUES_MAX));
        assert!(parse(Format::Toml, format!("a={}", list(VALUES_MAX - 2)).as_bytes()).is_ok());
        beyond(Format::Toml, &format!("a={}", list(VALUES_MAX - 1)));
        // More tokens than values could have: refused before the parser keeps them.
        beyond(Format::Toml, &"=".repeat(TEXT_MAX));
        beyond(Format::Toml, &"a=1\n".repeat(TEXT_MAX / 4));
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_line() {
    for given in [
        "",
        "{\n\"canary\": }",
        "{\"a\": canary}",
        "[1,]",
        "// canary\n1",
        "'canary'",
        "[NaN]",
        "1 canary",
        "\"\\ud800\"",
        "{1: 2}",
    ] {
        refused(Format::Json, given);
    }
    assert!(refused(Format::Json, "{\n\n\"a\": canary}").contains("line 3:"));
    let numbers = b"[1, -1, 18446744073709551615, 18446744073709551616, 1.5, 1e3, -9223372036854775809]";
    let Ok(Json::List(numbers)) = parse(Format::Json, numbers) else { panic!() };
    assert_eq!(numbers[..3], [Json::Unsigned(1), Json::Negative(-1), Json::Unsigned(u64::MAX)]);
    assert!(numbers[3..].iter().all(|number| *number == Json::Fraction));
}

#[test]
fn a_file_of_settings_is_read_as_it_was_written() {
    let variables = parse_dotenv(AGENT).unwrap();
    assert_eq!(variables.len(), 19);
    let value = |name: &str| {
        let (_, value) = variables.iter().find(|(known, _)| known == name).unwrap();
        String::from_utf8(value.expose().to_vec()).unwrap()
    };
    assert_eq!(value("POSTGRES_PASSWORD"), "your_secure_password_here");
    assert_eq!(value("POSTGRES_PORT"), "5432");
    assert_eq!(value("KONG_ADMIN_API_KEY"), "your_kong_admin_key_here");
    let crlf = String::from_utf8(AGENT.to_vec()).unwrap().replace('\n', "\r\n");
    assert_eq!(shown(crlf.as_bytes()), shown(AGENT));
}

/// Names and values, `NAME=value`.
fn shown(given: &[u8]) -> Vec<String> {
    let variables = parse_dotenv(given).unwrap();
    let text = |value: &SecretBytes| String::from_utf8(value.expose().to_vec()).unwrap();
    variables.iter().map(|(name, value)| format!("{name}={}", text(value))).collect()
}

#[test]
fn placeholders_in_a_file_of_settings_are_found() {
    let mut entries = String::new();
    for (name, _) in parse_dotenv(AGENT).unwrap() {
        let kind = if name.ends_with("PASSWORD") || name.ends_with("KEY") { "secret" } else { "plain" };
        write!(entries, "{}{{\"name\": \"{name}\", \"kind\": \"{kind}\"}}", if entries.is_empty() { "" } else { "," })
            .unwrap();
    }
    let tree = parse(Format::Json, format!("{{\"version\": 1, \"entries\": [{entries}]}}").as_bytes()).unwrap();
    let manifest = Manifest::read(tree).unwrap();
    let mut weak = Vec::new();
    for (entry, (name, value)) in manifest.entries().iter().zip(parse_dotenv(AGENT).unwrap()) {
        weak.extend(check_value(entry, value.expose()).iter().map(|weakness| format!("{name} {}", weakness.name())));
    }
    assert_eq!(
        weak,
        [
            "POSTGRES_HOST placeholder",
            "POSTGRES_PASSWORD placeholder",
            "VALKEY_HOST placeholder",
            "VALKEY_PASSWORD placeholder",
            "KONG_ADMIN_API_KEY placeholder",
        ]
    );
}

#[test]
fn lines_are_read_as_python_dotenv_reads_them() {
    for (given, expected) in [
        ("a=b", "a=b"),
        (" a = b ", "a=b"),
        ("export a=b", "a=b"),
        (" export 'a=b", ""),
        ("export\ta=b", "a=b"),
        ("export=1", "export=1"),
        ("a=b#c", "a=b#c"),
        ("a=b #c", "a=b"),
        ("a=b\t# c # d", "a=b"),
        ("a=b c ", "a=b c"),
        ("a=", "a="),
        ("a= ", "a="),
        ("a=#c", "a=#c"),
        ("a='b # c'", "a=b # c"),
        ("a=\"b # c\"", "a=b # c"),
        ("a='b' # c", "a=b"),
        ("a=\"b\"\t# c", "a=b"),
        ("a=''", "a="),
        ("a=\"\"", "a="),
        ("a='b\nc'", "a=b\nc"),
        ("a=\"b\nc\"", "a=b\nc"),
        ("a=\"b\\nc\"", "a=b\nc"),
        ("a=\"b\\tc\\rd\"", "a=b\tc\rd"),
        ("a='b\\nc'", "a=b\\nc"),
        ("a=\"b\\\"c\"", "a=b\"c"),
        ("a=\"b\\\\c\"", "a=b\\c"),
        ("a=b\\nc", "a=b\\nc"),
        ("a=b\"c'", "a=b\"c'"),
        ("a=b=c", "a=b=c"),
        ("a=`b`", "a=`b`"),
        ("a=\u{fc}", "a=\u{fc}"),
        ("# c\na=b", "a=b"),
        ("\n\n \t\na=b", "a=b"),
    ] {
        if expected.is_empty() {
            assert!(parse_dotenv(given.as_bytes()).is_err(), "{given:?}");
        } else {
            assert_eq!(shown(given.as_bytes()), [expected], "{given:?}");
        }
    }
}

#[test]
fn where_readers_differ_nothing_is_expanded_and_blanks_before_a_sign_make_a_comment() {
    assert_eq!(shown(b"A=${B}\nC=\"$B ${D:-x}\"\nE='$F'"), ["A=${B}", "C=$B ${D:-x}", "E=$F"]);
    assert_eq!(shown(b"A= #c"), ["A="]);
    // python-dotenv would keep that backslash, and take one of these away, as no shell does.
    assert_eq!(shown(b"A=\"\\$B\""), ["A=$B"]);
    assert_eq!(shown(b"A='a\\\\b'"), ["A=a\\\\b"]);
    // python-dotenv cuts white space of any kind off a bare value; here, blanks alone.
    assert_eq!(shown("A=b\u{a0}".as_bytes()), ["A=b\u{a0}"]);
    assert_eq!(shown(b"A='one\r\ntwo'\r\nB=\"three\r\nfour\"\r\n"), ["A=one\ntwo", "B=three\nfour"]);
}

#[test]
fn faults_of_a_settings_file_give_the_line_and_no_content() {
    for (given, line, why) in [
        ("A=1\nA=canary", 2, "the name is there already, in line 1"),
        ("A=1\nB=\"x\ny\"\nA=canary", 4, "the name is there already, in line 1"),
        ("A=1\ncanary", 2, "there is no ="),
        ("export canary", 1, "there is no ="),
        ("canary value", 1, "there is no ="),
        ("1canary=2", 1, "a name must begin here"),
        ("=canary", 1, "a name must begin here"),
        ("export 1canary=2", 1, "a name must begin here"),
        ("'A'=canary", 1, "a name must begin here"),
        ("c\u{e4}nary=1", 1, "there is no ="),
        ("-----BEGIN canary KEY-----", 1, "a name must begin here"),
        ("A='canary", 1, "the quote is not closed"),
        ("\nA=\"canary\\\"", 2, "the quote is not closed"),
        ("A=\"x\nB=\"canary\"", 2, "something follows the closing quote"),
        ("A='it\\'s canary'", 1, "something follows the closing quote"),
        ("A='x'#canary", 1, "something follows the closing quote"),
        ("A=\"one\ntwo \\q canary\"", 2, "the escape is not known"),
        ("A=\"C:\\canary\"", 1, "the escape is not known"),
        ("A=\"one\\\ncanary\"", 1, "the escape is not known"),
        ("A='\ncanary\0'", 2, "the value has a NUL"),
        ("A=can\0ary", 1, "the value has a control character"),
        ("A=can\rary", 1, "the value has a control character"),
        ("A=1\n\u{feff}B=canary", 2, "a name must begin here"),
    ] {
        let error = parse_dotenv(given.as_bytes()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        let message = error.message();
        assert!(message.contains(&format!("line {line}: {why}")), "{given:?}: {message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[test]
fn variables_are_bounded_in_number() {
    let lines = |count: usize| (0..count).map(|index| format!("N{index}=\n")).collect::<String>();
    assert_eq!(parse_dotenv(lines(10_000).as_bytes()).unwrap().len(), 10_000);
    assert_eq!(parse_dotenv(lines(10_001).as_bytes()).unwrap_err().code(), ErrorCode::LimitExceeded);
}

#[cfg(not(feature = "documents"))]
#[test]
fn what_was_left_out_says_so() {
    for format in [Format::Yaml, Format::Toml] {
        assert_eq!(parse(format, JOBS).unwrap_err().code(), ErrorCode::Unsupported);
    }
}

#[cfg(feature = "documents")]
mod with_yaml_and_toml {
    use super::*;
    use strongroom::reference::{Reference, find};

    fn yaml(given: &str) -> Json {
        parse(Format::Yaml, given.as_bytes()).unwrap_or_else(|error| panic!("{given:?}: {error}"))
    }

    fn toml(given: &str) -> Json {
        parse(Format::Toml, given.as_bytes()).unwrap_or_else(|error| panic!("{given:?}: {error}"))
    }

    #[test]
    fn the_references_of_a_jobs_environment_are_found() {
        let found = find(&parse(Format::Yaml, JOBS).unwrap()).unwrap();
        let places: Vec<_> = found.iter().map(|found| found.place.to_string()).collect();
        let names = ["API_KEY", "HOME_DIR", "SSH_KEY", "LOG_LEVEL"];
        assert_eq!(places, names.map(|name| format!("environment.{name}")));
        assert!(matches!(&found[0].reference, Reference::Secret(slot) if slot.name() == "OPENAI_API_KEY"));
        assert_eq!(found[1].reference, Reference::Env("HOME".into()));
        assert_eq!(found[2].reference, Reference::File("/etc/secrets/ssh_key".into()));
        assert_eq!(found[3].reference, Reference::Plain);
    }

    #[test]
    fn one_manifest_reads_the_same_from_all_three() {
        let in_json = r#"{"version": 1, "environments": ["production"], "entries": [
            {"name": "PORT", "kind": "plain", "type": "int", "default": 5432, "required": false},
            {"name": "KEY", "minimum_length": 16, "classes": ["lower"], "note": "two\nlines"}]}"#;
        let in_yaml = "version: 1\nenvironments: [production]\nentries:\n- name: PORT\n  kind: plain\n  type: int\n  \
                       default: 5432\n  required: false\n- {name: KEY, minimum_length: 16, classes: [lower], note: \"two\\nlines\"}\n";
        let in_toml = "version = 1\nenvironments = ['production']\n[[entries]]\nname = 'PORT'\nkind = 'plain'\ntype = 'int'\n\
                       default = 5_432\nrequired = false\n[[entries]]\nname = 'KEY'\nminimum_length = 0x10\nclasses = ['lower']\n\
                       note = '''two\nlines'''\n";
        let trees = [(Format::Json, in_json), (Format::Yaml, in_yaml), (Format::Toml, in_toml)]
            .map(|(format, given)| parse(format, given.as_bytes()).unwrap());
        assert_eq!(trees[0], trees[1]);
        assert_eq!(trees[0], trees[2]);
        let [tree, ..] = trees;
        assert_eq!(Manifest::read(tree).unwrap().entries().len(), 2);
    }

    #[test]
    fn plain_scalars_are_read_by_the_core_schema() {
        for (given, expected) in [
            ("", Json::Null),
            ("# nothing", Json::Null),
            ("~", Json::Null),
            ("Null", Json::Null),
            ("nULL", text("nULL")),
            ("true", Json::Bool(true)),
            ("FALSE", Json::Bool(false)),
            // YAML 1.1's, and no longer what they were.
            ("yes", text("yes")),
            ("NO", text("NO")),
            ("on", text("on")),
            ("12:30:45", text("12:30:45")),
            ("0", Json::Unsigned(0)),
            ("-0", Json::Unsigned(0)),
            ("+7", Json::Unsigned(7)),
            ("-7", Json::Negative(-7)),
            ("-9223372036854775808", Json::Negative(i64::MIN)),
            ("18446744073709551615", Json::Unsigned(u64::MAX)),
            ("18446744073709551616", Json::Fraction),
            ("0o17", Json::Unsigned(15)),
            ("0xfF", Json::Unsigned(255)),
            ("0xffffffffffffffffff", Json::Fraction),
            ("0440", text("0440")),
            ("-007", text("-007")),
            ("1_000", text("1_000")),
            ("0b1", text("0b1")),
            ("1.5", Json::Fraction),
            ("1.", Json::Fraction),
            (".5", Json::Fraction),
            ("-1e+3", Json::Fraction),
            ("1e3", Json::Fraction),
            (".inf", Json::Fraction),
            ("-.INF", Json::Fraction),
            (".nan", Json::Fraction),
            (".", text(".")),
            ("1e", text("1e")),
            ("e3", text("e3")),
            ("1.2.3", text("1.2.3")),
            ("-", Json::List(vec![Json::Null])),
            ("'5432'", text("5432")),
            ("\"true\"", text("true")),
            ("!!str 5432", text("5432")),
            ("|\n  a\n  b\n", text("a\nb\n")),
            (">-\n  a\n  b\n", text("a b")),
            ("\"\\u00e9\\x41\\t\"", text("\u{e9}A\t")),
            ("'it''s'", text("it's")),
        ] {
            assert_eq!(yaml(given), expected, "{given:?}");
        }
        assert_eq!(yaml("---\na: 1\n...\n"), object([("a", Json::Unsigned(1))]));
        assert_eq!(yaml("on: push"), object([("on", text("push"))]));
    }

    #[test]
    fn what_makes_yaml_surprising_is_refused_with_its_line() {
        for (given, why) in [
            ("a: &x canary\nb: 1\n", "line 1: anchors are not read"),
            ("a: 1\nb: &x [canary]\n", "line 2: anchors are not read"),
            ("a: 1\nb: &x {canary: 1}\n", "line 2: anchors are not read"),
            ("a: *x\n", "line 1: aliases are not read"),
            ("&x k: 1\n", "line 1: anchors are not read"),
            ("<<: {canary: 1}\n", "line 1: merge keys are not read"),
            ("a: !vault canary\n", "line 1: tags are not read"),
            ("a: !!binary canary\n", "line 1: tags are not read"),
            ("a: !!int '7'\n", "line 1: tags are not read"),
            ("a: ! canary\n", "line 1: tags are not read"),
            ("--- !!map\ncanary: 1\n", "line 2: tags are not read"),
            ("a: !<tag:yaml.org,2002:python/object> canary", "line 1: tags are not read"),
            ("1: canary\n", "line 1: a key is no text"),
            ("a: 1\ntrue: canary\n", "line 2: a key is no text"),
            ("1.5: canary\n", "line 1: a key is no text"),
            ("~: canary\n", "line 1: a key is no text"),
            (": canary\n", "line 1: a key is no text"),
            ("? [canary]\n: 1\n", "line 1: a key is no text"),
            ("? {canary: 1}\n: 1\n", "line 1: a key is no text"),
            ("%YAML 1.1\n---\na: canary\n", "line 1: directives are not read"),
            ("%TAG ! tag:x,2000:\n---\na: canary\n", "line 1: directives are not read"),
            ("a: 1\n---\nb: canary\n", "a second document begins"),
            ("a:\n\tcanary: 1\n", "line 2:"),
            ("a: \"canary\n", "a quote is not closed"),
            ("a: @canary\n", "line 1: it is no YAML here"),
            ("a: b: canary\n", "line 1: it is no YAML here"),
            ("[canary\n", "it is no YAML here"),
            ("a: can\0ary\n", "line 1:"),
        ] {
            let message = refused(Format::Yaml, given);
            assert!(message.contains(why), "{given:?}: {message}");
        }
        assert_eq!(yaml("'<<': 1\n'1': 2\n"), object([("<<", Json::Unsigned(1)), ("1", Json::Unsigned(2))]));
        assert_eq!(yaml("a: '*x'\nb: '&x'\n"), object([("a", text("*x")), ("b", text("&x"))]));
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_at_its_first_anchor() {
        let mut bomb = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for level in 1..10 {
            let alias = format!("*a{}", level - 1);
            writeln!(bomb, "a{level}: &a{level} [{}]", vec![alias; 10].join(", ")).unwrap();
        }
        assert!(refused(Format::Yaml, &bomb).contains("line 1: anchors are not read"));
        // An alias of itself, too.
        assert!(refused(Format::Yaml, "a: &a [*a]").contains("anchors are not read"));
    }

    #[test]
    fn yaml_and_toml_are_bounded_in_depth_however_it_is_made() {
        let flow = |depth| "[".repeat(depth) + &"]".repeat(depth);
        let block = |depth: usize| (0..depth).map(|level| format!("{}k:\n", " ".repeat(level))).collect::<String>();
        for given in [flow(DEPTH_MAX), block(DEPTH_MAX), "- ".repeat(DEPTH_MAX) + "x"] {
            yaml(&given);
        }
        for given in [
            flow(DEPTH_MAX + 1),
            block(DEPTH_MAX + 1),
            "- ".repeat(DEPTH_MAX + 1) + "x",
            "- ".repeat(40) + &flow(40),
            "[".repeat(1 << 20),
            "{k: ".repeat(1 << 18),
            "- ".repeat(1 << 20),
            "? ".repeat(1 << 18),
        ] {
            let error = parse(Format::Yaml, given.as_bytes()).unwrap_err();
            // A container as a key is refused even sooner.
            assert!(error.code() == ErrorCode::LimitExceeded || given.starts_with('?'), "{error}");
        }
        let tables = |depth: usize| "{k=".repeat(depth) + "1" + &"}".repeat(depth);
        let dotted = |parts: usize| "a.".repeat(parts - 1) + "a";
        // The root is one level, the key's value another.
        for given in [
            format!("a={}", flow(DEPTH_MAX - 1)),
            format!("a={}", tables(DEPTH_MAX - 1)),
            format!("{}=1", dotted(DEPTH_MAX)),
            format!("[{}]", dotted(DEPTH_MAX - 1)),
        ] {
            toml(&given);
        }
        // Dotted keys within inline tables multiply: 6400 levels, to be dropped one within the other.
        let nested = format!("{}={{", dotted(80)).repeat(80) + "a=1" + &"}".repeat(80);
        for given in [
            format!("a={}", flow(DEPTH_MAX)),
            format!("a={}", tables(DEPTH_MAX)),
            format!("{}=1", dotted(DEPTH_MAX + 1)),
            format!("[{}]\na=1", dotted(DEPTH_MAX)),
            format!("[{}]\n{}=1", dotted(60), dotted(60)),
            nested,
            "a=".to_owned() + &"[".repeat(1 << 20),
            "a=".to_owned() + &"{a=".repeat(1 << 18),
            dotted(1 << 20),
            "[".to_owned() + &dotted(1 << 20) + "]",
        ] {
            beyond(Format::Toml, &given);
        }
    }

    #[test]
    fn toml_keeps_order_integers_and_dates() {
        let given = "z = 1\na = -1\nh = 0xff\nb = +0\nf = 1.5\nn = nan\ni = -inf\nd = 1979-05-27T07:32:00Z\nt = 07:32:00\nyes = true\n\
                     max = 9223372036854775807\nx.y = '\\n'\ns = \"\\n\"\n[t2]\n[[l]]\nk = 1\n[[l]]\n";
        assert_eq!(
            toml(given),
            object([
                ("z", Json::Unsigned(1)),
                ("a", Json::Negative(-1)),
                ("h", Json::Unsigned(255)),
                ("b", Json::Unsigned(0)),
                ("f", Json::Fraction),
                ("n", Json::Fraction),
                ("i", Json::Fraction),
                ("d", text("1979-05-27T07:32:00Z")),
                ("t", text("07:32:00")),
                ("yes", Json::Bool(true)),
                ("max", Json::Unsigned(i64::MAX as u64)),
                ("x", object([("y", text("\\n"))])),
                ("s", text("\n")),
                ("t2", object([])),
                ("l", Json::List(vec![object([("k", Json::Unsigned(1))]), object([])])),
            ])
        );
        assert_eq!(toml(""), object([]));
        assert_eq!(toml("'' = 1\n'a.b' = 2\n"), object([("", Json::Unsigned(1)), ("a.b", Json::Unsigned(2))]));
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        for (given, line) in [
            ("a = canary\n", 1),
            ("a = 1\n\nb = 'canary\n", 3),
            ("a = 1\ncanary\n", 2),
            ("a = 1 b = 'canary'\n", 1),
            ("[canary\n", 1),
            ("a = \"canary\\q\"\n", 1),
            ("a = 'can\0ary'\n", 1),
        ] {
            let message = refused(Format::Toml, given);
            assert!(message.contains(&format!("line {line}: it is no TOML here")), "{given:?}: {message}");
        }
    }

    #[test]
    fn every_beginning_of_a_document_is_read_or_refused_without_failing() {
        let given = "a: {b: [1, \"x\\n\", 'y'], c: |\n  z\n}\n- &x *x !!str # c\n? k\n: %v\n---\n\u{feff}\u{85}\t\"";
        let toml = "[a.b]\nc = {d = [1, 'x', \"\"\"y\"\"\"], e.f = 1979-05-27}\n[[g]]\n# c\nh = '''\n\u{e9}'''\n";
        for (format, given) in
            [(Format::Yaml, given), (Format::Toml, toml), (Format::Json, "{\"a\": [1.5e3, \"\\u00e9\", null]}")]
        {
            for end in 0..=given.len() {
                let _ = parse(format, &given.as_bytes()[..end]);
                let _ = parse(format, &given.as_bytes()[end..]);
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_failing(given in "[-a1:{}\\[\\],&*!|>'\"%#?=. \t\n\\\\\u{e9}]{0,64}") {
            for format in ALL {
                let _ = parse(format, given.as_bytes());
            }
            let _ = parse_dotenv(given.as_bytes());
        }

        #[test]
        fn text_in_quotes_comes_back_from_yaml_as_from_json(inner in "[ -~\u{e9}\u{1f600}]{0,40}") {
            let quoted = serde_json::to_string(&inner).unwrap();
            let given = format!("{{\"k\": {quoted}}}");
            prop_assert_eq!(parse(Format::Json, given.as_bytes()), parse(Format::Yaml, given.as_bytes()));
        }
    }
}

/// A manifest with one plain entry for each default, and a secret, all with this note.
fn written(defaults: &[String], note: &str) -> Manifest {
    let mut entries: Vec<Json> = Vec::new();
    for (index, default) in defaults.iter().enumerate() {
        let fields = [("name", text(&format!("P{index}"))), ("kind", text("plain")), ("default", text(default))];
        let [name, kind, default] = fields;
        entries.push(object([name, kind, default, ("note", text(note))]));
    }
    entries.push(object([("name", text("S")), ("note", text(note))]));
    Manifest::read(object([("version", Json::Unsigned(1)), ("entries", Json::List(entries))])).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_as_an_example_is_read_back(
        defaults in prop::collection::vec("[ -~\n\r\t\u{e9}\u{7f}\u{85}\u{2028}]{0,12}", 0..6),
        note in "[ -~\n\r\u{1b}\u{85}]{0,40}",
    ) {
        let example = dotenv_example(&written(&defaults, &note), Some("production"));
        let variables = parse_dotenv(example.as_bytes()).unwrap();
        let read: Vec<_> = variables.iter().map(|(_, value)| String::from_utf8(value.expose().to_vec()).unwrap()).collect();
        prop_assert_eq!(&read[..defaults.len()], &defaults[..]);
        prop_assert_eq!(&variables[defaults.len()].0, "S");
        prop_assert_eq!(variables.len(), defaults.len() + 1);
    }
}
