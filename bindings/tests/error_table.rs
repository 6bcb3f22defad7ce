//! The one table of codes, in four languages: this test writes them out of the core and compares.
//!
//! `STRONGROOM_UPDATE=1 cargo test -p strongroom-bindings --test error_table` brings the files up to date.
#![expect(clippy::unwrap_used, reason = "a test that fails loudly")]

use std::fmt::Write;
use std::path::Path;
use strongroom::ErrorCode;

const NOTE: &str = "Generated from core/src/error.rs by bindings/tests/error_table.rs; do not edit.";

fn typescript() -> String {
    let mut text =
        format!("// {NOTE}\n\n/** Every code with its number, whether trying again may help, and its meaning. */\n");
    text.push_str("export const ERROR_CODES = {\n");
    for code in ErrorCode::ALL {
        let (name, number, retryable) = (code.name(), code.number(), code.is_retryable());
        let meaning = code.meaning().replace('"', "\\\"");
        writeln!(text, "  /** {} */", code.meaning()).unwrap();
        writeln!(text, "  {name}: {{").unwrap();
        writeln!(text, "    number: {number},\n    retryable: {retryable},\n    meaning:\n      \"{meaning}\",\n  }},")
            .unwrap();
    }
    text.push_str("} as const;\n\n/** The name of an error code: stable, for programs to go by. */\n");
    text.push_str("export type ErrorCode = keyof typeof ERROR_CODES;\n");
    text
}

fn class_name(code: ErrorCode) -> String {
    let words = code.name().split('_').map(|word| word[..1].to_owned() + &word[1..].to_lowercase());
    words.collect::<String>() + "Error"
}

fn python() -> String {
    let mut text = format!(
        "# {NOTE}\n\"\"\"One exception class for each code, all of them subclasses of `StrongroomError`.\"\"\"\n\n\
         from __future__ import annotations\n\nfrom strongroom._error import StrongroomError\n\n__all__ = [\n"
    );
    let mut names: Vec<String> = ErrorCode::ALL.iter().map(|code| class_name(*code)).collect();
    names.push("StrongroomError".to_owned());
    names.push("BY_CODE".to_owned());
    names.sort_by_key(|name| (name != "BY_CODE", name.clone()));
    for name in &names {
        writeln!(text, "    \"{name}\",").unwrap();
    }
    text.push_str("]\n");
    for code in ErrorCode::ALL {
        let retryable = if code.is_retryable() { "True" } else { "False" };
        write!(
            text,
            "\n\nclass {}(StrongroomError):\n    \"\"\"{}\"\"\"\n\n    code = \"{}\"\n    number = {}\n    retryable = {retryable}\n",
            class_name(*code),
            code.meaning(),
            code.name(),
            code.number(),
        )
        .unwrap();
    }
    text.push_str("\n\nBY_CODE: dict[str, type[StrongroomError]] = {\n");
    for code in ErrorCode::ALL {
        writeln!(text, "    \"{}\": {},", code.name(), class_name(*code)).unwrap();
    }
    text.push_str("}\n");
    text
}

fn markdown() -> String {
    let mut text = format!("<!-- {NOTE} -->\n# Error codes\n\n");
    text.push_str(
        "Every error has a code, a number, and a message that says what was wrong and what to do next. Codes and numbers \
         are stable. No message holds a secret. \"Again\" says whether making the same call again may help.\n\n\
         | number | code | Python | again | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for code in ErrorCode::ALL {
        let again = if code.is_retryable() { "yes" } else { "" };
        let (number, name, class, meaning) = (code.number(), code.name(), class_name(*code), code.meaning());
        writeln!(text, "| {number:03} | `{name}` | `{class}` | {again} | {meaning} |").unwrap();
    }
    text
}

#[test]
fn every_language_has_the_table_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (path, text) in [
        ("bindings/js/error-codes.ts", typescript()),
        ("python/src/strongroom/errors.py", python()),
        ("docs/errors.md", markdown()),
    ] {
        let file = root.join(path);
        if std::env::var_os("STRONGROOM_UPDATE").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        if found != text {
            panic!("{path} is stale: run STRONGROOM_UPDATE=1 cargo test -p strongroom-bindings --test error_table");
        }
    }
}
