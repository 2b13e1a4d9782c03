//! What was measured, as lines of a table and as JSON.

use std::fmt;
use std::time::Duration;

use crate::Side;

/// Times of one side, in seconds.
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one time.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default().as_secs_f64();
        Self { least: at(0), median: at(times.len() / 2), most: at(times.len().saturating_sub(1)) }
    }
}

/// One workload, the native side first.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What the ratio of vaultfs should be at most, if anything was promised.
    pub(crate) at_most: Option<f64>,
    pub(crate) sides: Vec<Spread>,
}

/// The line above the rows: milliseconds of the native side with their spread, then the ratios.
pub(crate) fn head(sides: &[Side]) -> String {
    let mut names = sides.iter().map(|side| &side.name);
    let native = names.next().map_or_else(String::new, |name| format!("{name} ms (least..most)"));
    let others: String = names.map(|name| format!("{name:>10}")).collect();
    format!("{:<24}{native:>32}{:>9}{others}", "", "at most")
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(native) = self.sides.first() else { return Ok(()) };
        let spread = format!("{:.2} ({:.2}..{:.2})", native.median * 1e3, native.least * 1e3, native.most * 1e3);
        let at_most = self.at_most.map_or_else(|| "-".to_owned(), |at_most| format!("{at_most:.2}"));
        write!(f, "{:<24}{spread:>32}{at_most:>9}", self.name)?;
        self.sides[1..].iter().try_for_each(|side| write!(f, "{:>10.2}", side.median / native.median))
    }
}

impl Row {
    /// As JSON, with the sides by name.
    pub(crate) fn json(&self, sides: &[Side]) -> serde_json::Value {
        let of = |spread: &Spread| serde_json::json!({ "least": spread.least, "median": spread.median, "most": spread.most });
        let seconds: serde_json::Map<String, serde_json::Value> =
            sides.iter().zip(&self.sides).map(|(side, spread)| (side.name.clone(), of(spread))).collect();
        serde_json::json!({ "workload": self.name, "at_most": self.at_most, "seconds": seconds })
    }
}
