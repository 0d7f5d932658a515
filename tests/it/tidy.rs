//! The house rules that a machine can keep: every file says what it owns, none grows too large, revisions are compared in one place.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file without its inline tests.
const MOST_LINES: usize = 500;

fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "udf/src", "tests/it", "benches", "fuzz/fuzz_targets"];
    let walk = folders.iter().map(|folder| root.join(folder)).filter(|folder| folder.exists());
    let files = walk.flat_map(|folder| walkdir::WalkDir::new(folder).sort_by_file_name());
    files
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

#[test]
fn every_file_opens_with_what_it_owns() {
    let silent = |path: &PathBuf| !fs::read_to_string(path).unwrap().starts_with("//! ");
    let silent: Vec<_> = sources().into_iter().filter(silent).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn no_file_grows_too_large() {
    let lines = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().take_while(|line| *line != "#[cfg(test)]" && *line != "mod tests {").count()
    };
    let large: Vec<_> = sources()
        .into_iter()
        .map(|path| (lines(&path), path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn revisions_are_compared_in_one_place() {
    let compares = |text: &str| {
        let names_one =
            text.lines().filter(|line| line.contains("Revision::V") && !line.trim_start().starts_with("//"));
        names_one
            .into_iter()
            .any(|line| [" < ", " > ", "<=", ">=", "==", "!="].iter().any(|sign| line.contains(sign)))
    };
    let elsewhere = sources().into_iter().filter(|path| {
        let product = !path.components().any(|part| part.as_os_str() == "tests");
        product && !path.ends_with("revision.rs") && compares(&fs::read_to_string(path).unwrap())
    });
    let elsewhere: Vec<_> = elsewhere.collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn unsafe_code_is_where_it_is_allowed() {
    let with_unsafe = sources().into_iter().filter(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().any(|line| {
            !line.trim_start().starts_with("//")
                && (line.contains("unsafe {") || line.contains("unsafe impl"))
        }) && !path.ends_with("tidy.rs")
    });
    for path in with_unsafe {
        let text = path.to_string_lossy();
        assert!(
            text.contains("/src/device/")
                || text.contains("/src/stream/")
                || text.ends_with("/src/source.rs"),
            "{text}"
        );
    }
}

#[test]
fn every_tolerance_is_written_down_and_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/tolerances.md")).unwrap();
    let words: Vec<_> = document.split('`').skip(1).step_by(2).collect();
    for (file, kinds) in [("warning.rs", "pub enum Remedy {"), ("tolerance.rs", "pub enum Tolerance {")] {
        let text = fs::read_to_string(root.join("udf/src/read").join(file)).unwrap();
        let kinds = text.split_once(kinds).unwrap().1.split_once("\n}").unwrap().0;
        let is_variant = |line: &&str| line.starts_with("    ") && !line.trim_start().starts_with("//");
        for line in kinds.lines().filter(is_variant) {
            let name = line.trim().split(['(', ',']).next().unwrap();
            assert!(words.contains(&name), "{name} is not in docs/tolerances.md");
        }
    }
    let code: String = sources().into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let is_test = |word: &&&str| word.matches('_').count() > 2;
    for test in words.iter().filter(is_test) {
        assert!(code.contains(&format!("fn {test}(")), "docs/tolerances.md names {test}, which is no test");
    }
}
