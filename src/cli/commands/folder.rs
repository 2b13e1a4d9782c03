//! Choosing a folder of a cloud at the terminal: look, go in, go back, make one, take one.

use std::io::{BufRead, IsTerminal};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::control::client::Client;
use crate::control::protocol::{CloudFolder, ErrorCode, FolderList, FolderQuery, MakeFolder, Problem};

/// What can be typed.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer {
    /// This folder.
    Here,
    /// The folder above.
    Up,
    /// The folder of this number, counted from 1.
    Into(usize),
    /// A new folder of this name.
    Make(String),
    /// Nothing.
    Quit,
    /// Something else.
    Unclear,
}

const HELP: &str = "NUMBER goes in, .. goes back, +NAME makes a folder, . takes this one, q gives up";

/// Lets a person choose a folder of an account's cloud; the answer has a leading slash, `/` being the whole cloud.
pub(super) async fn choose(context: &Context, daemon: &Client, account: Option<&str>) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Problem::new(ErrorCode::NeedsUser, "it is not said in which folder the vault lies")
            .hint("name it with --folder; it is made if it is not there, and / is the whole cloud")
            .into());
    }
    let mut at = String::new();
    loop {
        let query = FolderQuery { account: account.map(str::to_owned), path: at.clone() };
        let list: FolderList = daemon.get("accounts/folders", &query).await?;
        show(context, &list);
        match ask(context)? {
            Answer::Here => return Ok(shown(&list.path)),
            Answer::Up => at.truncate(at.rfind('/').unwrap_or(0)),
            Answer::Into(number) => match list.folders.get(number.wrapping_sub(1)) {
                Some(folder) => at.clone_from(&folder.path),
                None => context.output.note(format!("there is no number {number}")),
            },
            Answer::Make(name) => {
                let request = MakeFolder { account: account.map(str::to_owned), path: format!("{at}/{name}") };
                let made: std::result::Result<CloudFolder, Problem> = daemon.post("accounts/folders", &request).await;
                match made {
                    Ok(made) => at = made.path,
                    Err(problem) => context.output.problem(&problem),
                }
            }
            Answer::Quit => {
                return Err(Problem::new(ErrorCode::NeedsUser, "no folder was chosen")
                    .hint("nothing was added")
                    .into());
            }
            Answer::Unclear => context.output.note(HELP),
        }
    }
}

fn show(context: &Context, list: &FolderList) {
    context.output.note(format!("\n{}", crate::cli::output::printable(&shown(&list.path))));
    for (number, folder) in list.folders.iter().enumerate() {
        context.output.note(format!("{:4}  {}", number + 1, crate::cli::output::printable(&folder.name)));
    }
    if list.folders.is_empty() {
        context.output.note("      no folders in it");
    }
    context.output.note(HELP);
}

fn ask(context: &Context) -> Result<Answer> {
    context.output.prompt("folder: ");
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read.map_err(|error| CliError::io("cannot read the answer", &error))? {
        0 => Ok(Answer::Quit),
        _ => Ok(understood(&line)),
    }
}

fn understood(line: &str) -> Answer {
    let line = line.trim();
    match line {
        "." => Answer::Here,
        ".." => Answer::Up,
        "q" | "Q" => Answer::Quit,
        _ => match (line.strip_prefix('+').map(str::trim), line.parse()) {
            (Some(name), _) if !name.is_empty() && !name.contains('/') => Answer::Make(name.to_owned()),
            (None, Ok(number)) => Answer::Into(number),
            (Some(_), _) | (None, Err(_)) => Answer::Unclear,
        },
    }
}

/// The whole cloud has a name, too.
fn shown(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_understood() {
        for (line, answer) in [
            (".\n", Answer::Here),
            ("..", Answer::Up),
            (" 12 ", Answer::Into(12)),
            ("+ New Album", Answer::Make("New Album".to_owned())),
            ("q", Answer::Quit),
            ("", Answer::Unclear),
            ("+", Answer::Unclear),
            ("+a/b", Answer::Unclear),
            ("Music", Answer::Unclear),
            ("-1", Answer::Unclear),
        ] {
            assert_eq!(understood(line), answer, "{line}");
        }
    }
}
