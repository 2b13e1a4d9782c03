//! The only place that prints. Data goes to standard output, everything else to standard error.
//!
//! Invariants: no meaning by colour alone; names from outside are shown with control characters escaped, so that no file
//! name can drive the terminal; a closed pipe is [`CliError::BrokenPipe`], which is success.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::error::{CliError, Result};
use crate::control::protocol::{ErrorBody, ErrorCode, Problem};
pub use crate::types::units::readable_size as size;

const BOLD_RED: &str = "\x1b[1;31m";
const BOLD_CYAN: &str = "\x1b[1;36m";
const RESET: &str = "\x1b[0m";

/// Where answers go, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    /// `json`: answers as JSON. Colour only for people: on a terminal, unless `NO_COLOR` is set.
    pub fn new(json: bool, no_colour: bool) -> Self {
        Self { json, colour: !no_colour && io::stderr().is_terminal() }
    }

    /// True if answers are wanted as JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints an answer as JSON if that is wanted; else lets `human` print it.
    pub fn answer<T: serde::Serialize>(self, value: &T, human: impl FnOnce(&T) -> Result) -> Result {
        if self.json { self.json(value) } else { human(value) }
    }

    /// One JSON document.
    fn json(self, value: &impl serde::Serialize) -> Result {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            Problem::new(ErrorCode::Internal, "the answer cannot be written as JSON").because(&error)
        })?;
        self.line(text)
    }

    /// One JSON document on one line.
    pub fn json_line(self, value: &impl serde::Serialize) -> Result {
        let text = serde_json::to_string(value).map_err(|error| {
            Problem::new(ErrorCode::Internal, "the answer cannot be written as JSON").because(&error)
        })?;
        self.line(text)
    }

    /// One line of data.
    pub fn line(self, text: impl AsRef<str>) -> Result {
        let mut out = io::stdout().lock();
        written(writeln!(out, "{}", text.as_ref()))
    }

    /// Data as it is: completion scripts, the daemon's ready line.
    pub fn raw(self, bytes: &[u8]) -> Result {
        let mut out = io::stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Rows under headings, in columns; the last column is not padded. Nothing for no rows.
    pub fn table<const COLUMNS: usize>(self, headings: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> Result {
        if rows.is_empty() {
            return Ok(());
        }
        let shown: Vec<[Cow<'_, str>; COLUMNS]> =
            rows.iter().map(|row| std::array::from_fn(|column| printable(&row[column]))).collect();
        let width = |column: usize| {
            let cells = shown.iter().map(|row| row[column].chars().count());
            cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        self.row(&widths, headings.map(Cow::from))?;
        shown.into_iter().try_for_each(|row| self.row(&widths, row))
    }

    fn row<const COLUMNS: usize>(self, widths: &[usize; COLUMNS], cells: [Cow<'_, str>; COLUMNS]) -> Result {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(cell);
            let padding = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        self.line(line.trim_end())
    }

    /// Labels and values, one pair per line.
    pub fn pairs(self, pairs: &[(&str, String)]) -> Result {
        let width = pairs.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        pairs.iter().try_for_each(|(label, value)| self.line(format!("{label:width$}  {}", printable(value))))
    }

    /// A remark for people.
    pub fn note(self, text: impl AsRef<str>) {
        self.complain(&format!("{}\n", text.as_ref()));
    }

    /// A question that is answered on the same line.
    pub fn prompt(self, text: &str) {
        self.complain(&printable(text));
    }

    /// A failure: `error:`, `cause:`, `hint:`; with `--json` the same object that the control API answers.
    pub fn problem(self, problem: &Problem) {
        if self.json {
            if let Ok(text) = serde_json::to_string(&ErrorBody { error: problem.clone() }) {
                self.complain(&format!("{text}\n"));
            }
            return;
        }
        let mut text = self.labelled("error", BOLD_RED, &problem.what);
        for cause in &problem.cause {
            text += &self.labelled("cause", BOLD_RED, cause);
        }
        if let Some(hint) = &problem.hint {
            text += &self.labelled("hint", BOLD_CYAN, hint);
        }
        self.complain(&text);
    }

    fn labelled(self, label: &str, colour: &str, text: &str) -> String {
        let text = printable(text);
        if self.colour { format!("{colour}{label}:{RESET} {text}\n") } else { format!("{label}: {text}\n") }
    }

    fn complain(self, text: &str) {
        // If nobody listens to complaints there is nobody to complain to.
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }

    /// Asks for a yes. Where nobody can answer, the answer is a failure that needs the user.
    pub fn confirm(self, question: &str, flag: &str) -> Result<bool> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(Problem::new(ErrorCode::NeedsUser, format!("{} needs a yes", printable(question)))
                .hint(format!("say it with {flag}"))
                .into());
        }
        self.complain(&format!("{} [y/N] ", printable(question)));
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer).map_err(|error| CliError::io("cannot read the answer", &error))?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// A progress bar of `total` bytes; invisible unless standard error is a terminal.
    pub fn progress(self, total: u64, message: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), self.draw_target());
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(printable(message).into_owned());
        bar
    }

    /// A spinner for work without a known size; invisible unless standard error is a terminal.
    pub fn spinner(self, message: &str) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, self.draw_target());
        spinner.set_message(printable(message).into_owned());
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }

    fn draw_target(self) -> ProgressDrawTarget {
        if self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
    }
}

fn written(result: io::Result<()>) -> Result {
    result.map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            CliError::BrokenPipe
        } else {
            CliError::io("cannot write the answer", &error)
        }
    })
}

/// Text with control characters as escapes.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |character: char| {
        if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
    };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// `1 entry`, `2 entries`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert!(matches!(printable("größe.wav"), Cow::Borrowed(_)));
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(
            (counted(1, "file", "files"), counted(0, "file", "files")),
            ("1 file".to_owned(), "0 files".to_owned())
        );
    }
}
