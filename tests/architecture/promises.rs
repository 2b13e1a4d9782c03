//! `docs/SEMANTICS.md` names the test of every promise; here those tests are looked for.

use std::path::{Path, PathBuf};

use super::{root, rust_files};

/// The words between back quotes, in order.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The file of a module somewhere below a place: `saves` is `saves.rs`, `saves/mod.rs`, or the place itself.
fn module_files(place: &Path, module: &str) -> Vec<PathBuf> {
    let (file, folder) = (format!("{module}.rs"), Path::new(module).join("mod.rs"));
    rust_files(&place.to_string_lossy())
        .into_iter()
        .filter(|path| path.ends_with(&file) || path.ends_with(&folder) || path.with_extension("").ends_with(module))
        .collect()
}

/// What is wrong with a name such as `saves::rename_is_whole` or `saves::*`, if anything.
fn missing_test(place: &Path, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = name.split("::").collect();
    let function = parts.pop()?;
    let module = parts.pop()?;
    let files = module_files(place, module);
    if files.is_empty() {
        return Some(format!("{name}: no module {module} in {}", place.display()));
    }
    let heading = format!("fn {function}(");
    let found = function == "*" || files.iter().any(|file| std::fs::read_to_string(file).unwrap().contains(&heading));
    (!found).then(|| format!("{name}: no such test in {}", place.display()))
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let text = std::fs::read_to_string(root().join("docs/SEMANTICS.md")).unwrap();
    let (mut wrong, mut named) = (Vec::new(), 0_usize);
    for line in text.lines() {
        let mut place: Option<PathBuf> = None;
        for word in quoted(line) {
            if word.starts_with("tests/") || word.starts_with("src/") {
                if !root().join(word).exists() {
                    wrong.push(format!("{word} is not there"));
                }
                place = Some(PathBuf::from(word));
                named += 1;
            } else if let (Some(place), true) = (&place, word.contains("::")) {
                wrong.extend(missing_test(place, word));
            }
        }
        if line.starts_with("| P") && place.is_none() {
            wrong.push(format!("a promise without a test: {line}"));
        }
    }
    assert!(named > 20, "the document is read as it is written: {named} places found");
    assert!(wrong.is_empty(), "docs/SEMANTICS.md:\n{}", wrong.join("\n"));
}
