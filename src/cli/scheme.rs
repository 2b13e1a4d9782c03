//! The address scheme by which a browser hands its answer to `vaultfs sign-in-redirect`: registered with the desktop for this user, by the
//! desktop's own tool (`xdg-mime`), when somebody wants to sign in that way.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::context::{Context, program};
use crate::cli::error::Result;
use crate::config::env;
use crate::config::private_file::create_folder;
use crate::control::protocol::{ErrorCode, Problem};

/// What the desktop calls whoever opens addresses of the scheme.
const KIND: &str = "x-scheme-handler/com.krondor.muze";
/// The name under which vaultfs is registered.
const ENTRY_NAME: &str = "vaultfs-sign-in.desktop";
/// What is registered by packages; here with the program that runs instead of one that is looked for.
const ENTRY: &str = include_str!("../../packaging/linux/vaultfs-sign-in.desktop");
const ENTRY_PROGRAM: &str = "Exec=vaultfs ";
/// The desktop's tool.
const TOOL: &str = "xdg-mime";

/// Sees to it that addresses of the scheme come to this program.
pub(super) fn register(context: &Context) -> Result {
    let before = default_handler()?;
    let written = write_entry(context)?;
    if before.as_deref() == Some(ENTRY_NAME) {
        return Ok(());
    }
    let said = Command::new(TOOL).args(["default", ENTRY_NAME, KIND]).stdin(Stdio::null()).output();
    let said = said.map_err(|error| no_tool(&error))?;
    if default_handler()?.as_deref() != Some(ENTRY_NAME) {
        let mut problem =
            Problem::new(ErrorCode::Unsupported, "this desktop does not take the address scheme for vaultfs");
        let why = String::from_utf8_lossy(&said.stderr);
        if let Some(why) = why.lines().rev().find(|line| !line.trim().is_empty()) {
            problem = problem.cause(why.trim());
        }
        let hint = format!("sign in without --redirect scheme; what was registered is {}", written.display());
        return Err(problem.hint(hint).into());
    }
    match before {
        Some(other) => context.output.note(format!(
            "addresses com.krondor.muze:// went to {other} and come to vaultfs now; `{TOOL} default {other} {KIND}` gives them back"
        )),
        None => context.output.note("addresses com.krondor.muze:// come to vaultfs now"),
    }
    Ok(())
}

/// Who opens addresses of the scheme now.
fn default_handler() -> Result<Option<String>> {
    let asked = Command::new(TOOL).args(["query", "default", KIND]).stdin(Stdio::null()).output();
    let answer = asked.map_err(|error| no_tool(&error))?;
    let name = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    Ok((!name.is_empty()).then_some(name))
}

fn no_tool(error: &std::io::Error) -> Problem {
    Problem::new(
        ErrorCode::Unsupported,
        format!("{TOOL}, which tells the desktop about address schemes, cannot be run"),
    )
    .because(error)
    .hint("install xdg-utils, or sign in without --redirect scheme")
}

/// Writes the entry where the desktop looks for those of this user; returns where that is.
fn write_entry(context: &Context) -> Result<PathBuf> {
    let home = |name: &str| context.environment.path(name).map(Path::to_path_buf);
    let folder = home(env::XDG_DATA_HOME).or_else(|| Some(home(env::HOME)?.join(".local/share")));
    let folder = folder.ok_or_else(|| {
        Problem::new(ErrorCode::Io, "it is not known where this user's desktop entries are").hint("set HOME")
    })?;
    let folder = folder.join("applications");
    let path = folder.join(ENTRY_NAME);
    let text = ENTRY.replace(ENTRY_PROGRAM, &format!("Exec={} ", quoted(&program()?)?));
    if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(path);
    }
    let made = create_folder(&folder).and_then(|()| std::fs::write(&path, text));
    made.map_err(|error| {
        Problem::new(ErrorCode::Io, format!("{} cannot be written", path.display()))
            .because(&error)
            .hint("sign in without --redirect scheme")
    })?;
    Ok(path)
}

/// A program as the entry's command line has it: in quotes where the specification of desktop entries asks for them, and only there,
/// because the desktop's tools look for programs by what they read.
fn quoted(program: &Path) -> Result<String> {
    let text = program.to_str().filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| {
        let what = format!("a desktop entry cannot name {}", program.display());
        Problem::new(ErrorCode::Unsupported, what).hint("sign in without --redirect scheme")
    })?;
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_' | '+' | ',' | ':');
    if text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            // Once for the quotes, and the backslash once more for the file.
            '\\' => quoted.push_str(r"\\\\"),
            '"' | '`' | '$' => quoted.extend([r"\\", letter.encode_utf8(&mut [0; 4])]),
            '%' => quoted.push_str("%%"),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_names_any_program() {
        assert!(ENTRY.contains(ENTRY_PROGRAM) && ENTRY.contains(&format!("MimeType={KIND};")));
        for (program, written) in [
            ("/usr/bin/vaultfs", "/usr/bin/vaultfs"),
            ("/home/a b/100%/vaultfs", r#""/home/a b/100%%/vaultfs""#),
            (r#"/x$y"`\"#, r#""/x\\$y\\"\\`\\\\""#),
        ] {
            assert_eq!(quoted(Path::new(program)).unwrap(), written);
        }
        assert!(quoted(Path::new("/a\nb")).is_err());
    }
}
