//! The floors of the house: a module imports only from floors below its own, or from its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test crate: helpers outside #[test] may fail loudly too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// As the table in `lib.rs` has it; the first test reads that table.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let mut floors = BTreeMap::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! | F")) {
        let mut cells = line.split('|');
        let floor: usize = cells.next().unwrap().trim().parse().unwrap();
        for name in cells.next().unwrap().split('`').skip(1).step_by(2) {
            assert_eq!(floors.insert(name.to_string(), floor), None, "{name} is on two floors");
        }
    }
    floors
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Every source file with the module of the first level that it belongs to, `lib.rs` excepted.
fn files() -> Vec<(String, PathBuf)> {
    let mut open = vec![source()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let inside = path.strip_prefix(source()).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.strip_suffix(".rs").unwrap_or(first).to_string();
            if module != "lib" {
                files.push((module, path));
            }
        }
    }
    files
}

/// The modules that a source names through `crate::`, its comments and its own tests left out.
fn named(source: &str) -> Vec<String> {
    let code: Vec<&str> = source
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap()
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            // `use crate::{flow::Io, error::{Error, Result}};`: what stands at the first depth.
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(character),
                    _ => {}
                }
            }
            names.push(word);
        } else {
            names.push(rest.to_string());
        }
    }
    let word = |name: &String| -> String {
        name.trim_start().chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
    };
    names.iter().map(word).filter(|name| !name.is_empty()).collect()
}

/// The imports that go up.
fn climbing(floors: &BTreeMap<String, usize>, module: &str, source: &str) -> Vec<String> {
    let own = floors.get(module).unwrap_or_else(|| panic!("{module} has no floor in the table of lib.rs"));
    let higher = |name: &String| {
        let floor = floors.get(name).unwrap_or_else(|| panic!("{module} names crate::{name}, which has no floor"));
        floor > own
    };
    named(source).into_iter().filter(higher).collect()
}

#[test]
fn every_module_has_a_floor_and_every_floor_its_modules() {
    let lib = read(&source().join("lib.rs"));
    let floors = floors(&lib);
    let mut declared: Vec<_> = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod "))
        .map(|rest| rest.trim_end_matches(';').to_string())
        .collect();
    declared.sort();
    assert_eq!(floors.keys().cloned().collect::<Vec<_>>(), declared);
    assert!(declared.len() >= 17, "{declared:?}");
}

#[test]
fn modules_import_from_their_own_floor_and_from_those_below() {
    let floors = floors(&read(&source().join("lib.rs")));
    let files = files();
    assert!(files.len() >= 60, "{}", files.len());
    let mut imports = 0;
    for (module, path) in files {
        let text = read(&path);
        imports += named(&text).len();
        assert_eq!(climbing(&floors, &module, &text), Vec::<String>::new(), "{} looks up", path.display());
    }
    assert!(imports > 150, "{imports}");
}

#[test]
fn an_import_from_above_would_be_found() {
    let floors = floors(&read(&source().join("lib.rs")));
    for planted in [
        "use crate::flow::Io;",
        "use crate::{error::Error, flow::Io};",
        "use crate::{\n    error::{Error, Result},\n    flow,\n};",
        "pub(crate) use crate::flow::Io;",
        "fn f(io: &crate::flow::Io) {}",
    ] {
        assert_eq!(climbing(&floors, "crypto", planted), ["flow"], "{planted}");
        assert_eq!(climbing(&floors, "store", planted), Vec::<String>::new(), "{planted}");
    }
    assert_eq!(climbing(&floors, "crypto", "// use crate::flow::Io;"), Vec::<String>::new());
}

#[test]
fn the_core_has_no_std_and_no_unsafe() {
    let lib = read(&source().join("lib.rs"));
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        assert!(lib.lines().any(|line| line == attribute), "lib.rs lost {attribute}");
    }
    let std = "#[cfg(test)]\nextern crate std;";
    assert_eq!(lib.matches("extern crate std").count(), 1);
    assert!(lib.contains(std), "std is for the tests alone");
}
