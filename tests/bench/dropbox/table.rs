//! What was measured, as lines of a table and as JSON.

use std::fmt;
use std::time::Duration;

/// The line above the rows.
pub(crate) const HEAD: &str =
    "                                        unit     target    vaultfs     rclone  vaultfs/target  vaultfs/rclone";

/// One figure of each side; less is better in every row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What vaultfs should need at most, if anything was promised.
    pub(crate) target: Option<f64>,
    pub(crate) vaultfs: f64,
    pub(crate) rclone: Option<f64>,
}

/// The one in the middle of at least one.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// As figures of a row.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |figure: Option<f64>| match figure {
            None => "-".to_owned(),
            Some(figure) if figure >= 1000.0 => format!("{figure:.0}"),
            Some(figure) if figure >= 10.0 => format!("{figure:.1}"),
            Some(figure) => format!("{figure:.2}"),
        };
        let to = |other: Option<f64>| shown(other.map(|other| self.vaultfs / other));
        let (target, rclone) = (shown(self.target), shown(self.rclone));
        let (own, to_target, to_rclone) = (shown(Some(self.vaultfs)), to(self.target), to(self.rclone));
        let Self { name, unit, .. } = self;
        write!(f, "{name:<36}{unit:>8}{target:>11}{own:>11}{rclone:>11}{to_target:>16}{to_rclone:>16}")
    }
}

impl Row {
    /// As JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let Self { name, unit, target, vaultfs, rclone } = self;
        serde_json::json!({ "row": name, "unit": unit, "target": target, "vaultfs": vaultfs, "rclone": rclone })
    }
}
