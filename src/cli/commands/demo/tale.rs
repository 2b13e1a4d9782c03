//! How the demonstration speaks: headings, remarks, the commands that it runs, and checks that it counts.

use std::time::{Duration, Instant};

use super::device::{Device, Said};
use super::stage::Stage;
use crate::cli::error::{CliError, Result};
use crate::cli::output::Output;

/// Time to read what was said.
const PAUSE: Duration = Duration::from_millis(2_500);

/// How the demonstration speaks.
pub(super) struct Tale {
    output: Output,
    fast: bool,
    started: Instant,
    steps: u32,
    held: u32,
    failed: u32,
}

impl Tale {
    /// Has not begun. `fast`: no time to read.
    pub(super) fn new(output: Output, fast: bool) -> Self {
        Self { output, fast, started: Instant::now(), steps: 0, held: 0, failed: 0 }
    }

    /// A new step.
    pub(super) fn step(&mut self, stage: &Stage, title: &str) -> Result {
        if self.steps > 0 && !self.fast {
            stage.pause(PAUSE);
        }
        self.steps += 1;
        self.output.line("")?;
        self.output.line(format!("{}. {title}", self.steps))
    }

    /// A remark.
    pub(super) fn say(&self, text: &str) -> Result {
        self.output.line(format!("   {text}"))
    }

    /// Runs a command on a device and shows it with all that it said.
    pub(super) fn run(&self, stage: &Stage, device: &Device, words: &[&str]) -> Result<Duration> {
        self.act(device, words, || stage.run(device, words))
    }

    /// Shows a command on a device, does it, and shows what it said.
    pub(super) fn act(&self, device: &Device, words: &[&str], act: impl FnOnce() -> Result<Said>) -> Result<Duration> {
        for line in wrapped(device.name(), words) {
            self.say(&line)?;
        }
        let started = Instant::now();
        let Said { out, err } = act()?;
        let took = started.elapsed();
        let mut lines = out.lines().chain(err.lines()).filter(|line| !line.trim().is_empty());
        lines.try_for_each(|line| self.say(&format!("  {line}")))?;
        Ok(took)
    }

    /// Something that must be true.
    pub(super) fn check(&mut self, is_true: bool, text: &str) -> Result {
        if is_true {
            self.held += 1;
        } else {
            self.failed += 1;
        }
        self.say(&format!("{} {text}", if is_true { "ok:" } else { "FAILED:" }))
    }

    /// The sum; an error if a check failed.
    pub(super) fn end(&self) -> Result {
        self.output.line("")?;
        let (all, took) = (self.held + self.failed, duration(self.started.elapsed()));
        self.output.line(format!("{} of {all} checks held, in {took}", self.held))?;
        if self.failed > 0 { Err(CliError::Quiet(1)) } else { Ok(()) }
    }
}

/// Columns of a command before it goes on in the next line.
const COLUMNS: usize = 88;

/// A command as one would type it on a device.
fn wrapped(device: &str, words: &[&str]) -> Vec<String> {
    let mut lines = vec![format!("{device}$ vaultfs")];
    for word in words.iter().map(|word| quoted(word)) {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < COLUMNS => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("    {word}"));
            }
            None => lines.push(word),
        }
    }
    lines
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:".contains(letter);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// `0.4 ms`, `62 ms`, `8.0 s`.
pub(super) fn duration(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_times_read_well() {
        assert_eq!((quoted("mnt/Studio").as_str(), quoted("it's").as_str()), ("mnt/Studio", r"'it'\''s'"));
        assert_eq!(duration(Duration::from_micros(430)), "0.4 ms");
        assert_eq!(duration(Duration::from_micros(61_600)), "62 ms");
        assert_eq!(duration(Duration::from_millis(8_040)), "8.0 s");
    }
}
