//! The architecture as tests: which module may import which, where platform code may stand, how long a file may be, and that every
//! file says what it is for. The table here is the one that `docs/ARCHITECTURE.md` draws.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on fails, and nobody outside uses a test crate"
)]

mod promises;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module and the modules that it may import.
const EDGES: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("sys", &["types"]),
    ("rules", &["types"]),
    ("telemetry", &["types", "sys"]),
    ("config", &["types", "sys", "rules"]),
    ("secrets", &["types", "sys", "config"]),
    ("provider", &["types", "sys"]),
    ("catalog", &["types", "sys", "provider"]),
    ("content", &["types", "sys", "catalog"]),
    ("vaults", &["types", "sys", "config"]),
    ("accounts", &["types", "sys", "config", "secrets", "provider", "vaults"]),
    ("fetch", &["types", "sys", "telemetry", "provider", "catalog", "content"]),
    ("sync", &["types", "sys", "telemetry", "provider", "catalog", "content"]),
    ("vfs", &["types", "sys", "catalog", "content", "vaults"]),
    ("mount", &["types", "sys", "telemetry", "vfs"]),
    ("control", &["types", "sys", "telemetry", "config"]),
    (
        "daemon",
        &[
            "types",
            "sys",
            "rules",
            "telemetry",
            "config",
            "secrets",
            "provider",
            "catalog",
            "content",
            "vaults",
            "accounts",
            "fetch",
            "sync",
            "vfs",
            "mount",
            "control",
        ],
    ),
    ("cli", &["types", "sys", "rules", "telemetry", "config", "vaults", "control", "daemon"]),
];

/// Longest file. Past it a module has outgrown itself.
const MAX_LINES: usize = 500;

/// Folders whose `mod` lines may carry a platform `cfg`.
const PLATFORM_FOLDERS: &[&str] = &["src/sys", "src/mount", "src/provider/local", "src/secrets"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&root().join(folder), &mut files);
    files.sort();
    assert!(!files.is_empty(), "no Rust files below {folder}");
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The top module that a source file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Top modules named by `crate::NAME` in code (not in comments), with braces after `crate::` opened.
fn imports(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            // use crate::{a::X, b::Y};
            let mut depth = 0;
            let mut word = String::new();
            let mut at_start = true;
            for c in rest.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => {
                        at_start = true;
                        word.clear();
                        continue;
                    }
                    c if depth == 1 && at_start && (c.is_ascii_alphanumeric() || c == '_') => {
                        word.push(c);
                        continue;
                    }
                    c if depth == 1 && c.is_whitespace() && word.is_empty() => continue,
                    _ => {
                        if at_start && !word.is_empty() {
                            found.insert(std::mem::take(&mut word));
                        }
                        at_start = false;
                    }
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.insert(name);
        }
    }
    found
}

#[test]
fn modules_import_only_what_their_tier_allows() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(module, edges)| (*module, edges.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let module = module_of(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(edges) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` is not in the table", shown(&path)));
            continue;
        };
        for import in imports(&std::fs::read_to_string(&path).unwrap()) {
            if import != module && allowed.contains_key(import.as_str()) && !edges.contains(import.as_str()) {
                wrong.push(format!("{}: `{module}` must not import `{import}`", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for (module, edges) in EDGES {
        for edge in *edges {
            assert!(
                done.contains(edge),
                "`{module}` imports `{edge}`, which stands after it: the table is in dependency order"
            );
        }
        done.insert(module);
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for path in ["src", "tests", "mount-helper/src", "mount-helper/tests"].into_iter().flat_map(rust_files) {
        let source = std::fs::read_to_string(&path).unwrap();
        let lines = source.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines, more than {MAX_LINES}", shown(&path)));
        }
        if !source.lines().take(3).any(|line| line.starts_with("//!")) {
            wrong.push(format!("{}: no module documentation in its first lines", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn platform_code_stands_behind_mod_lines_only() {
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let file = shown(&path);
        let source = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if !line.contains("target_os") || line.starts_with("//") {
                continue;
            }
            let guarded = lines[at + 1..].iter().find(|next| !next.starts_with("#[path")).copied().unwrap_or_default();
            let starts = ["mod ", "pub mod ", "use ", "pub use ", "pub(super) use "];
            let guards_mod = line.starts_with("#[cfg(") && starts.iter().any(|start| guarded.starts_with(start));
            let in_platform_folder = PLATFORM_FOLDERS.iter().any(|folder| file.starts_with(folder));
            if !(guards_mod && in_platform_folder) {
                wrong.push(format!("{file}:{}: {line}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "platform conditions outside `mod` lines:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stands_in_sys_only() {
    for path in ["src", "mount-helper/src"].into_iter().flat_map(rust_files) {
        let file = shown(&path);
        let code = std::fs::read_to_string(&path).unwrap();
        let has_unsafe = code.lines().any(|line| {
            let line = line.split("//").next().unwrap_or_default();
            line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl")
        });
        let may = file.starts_with("src/sys/") || file == "mount-helper/src/system.rs";
        assert!(!has_unsafe || may, "{file} has unsafe code");
    }
}

/// What holds a privilege is read line by line, by whoever is asked to trust it.
#[test]
fn the_mount_helper_stays_small() {
    let code = |path: &PathBuf| {
        let source = std::fs::read_to_string(path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
    };
    let lines: usize = rust_files("mount-helper/src").iter().map(code).sum();
    assert!((100..600).contains(&lines), "{lines} lines of code in mount-helper/src");
    let manifest = std::fs::read_to_string(root().join("mount-helper/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let named: Vec<_> = dependencies.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    assert_eq!(named, ["libc"]);
}

#[test]
fn imports_are_found_in_all_their_forms() {
    let found = imports(
        "use crate::types::{A, B};\nuse crate::{catalog::X, content::{Y, Z}};\nlet x = crate::sys::f(); // crate::vfs\n",
    );
    let expected: BTreeSet<String> = ["types", "catalog", "content", "sys"].map(String::from).into();
    assert_eq!(found, expected);
}
