//! The table at the end.

use comfy_table::{CellAlignment, Table, presets};
use std::fmt;
use std::time::Duration;

/// Figures in the order they were measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

struct Row {
    figure: String,
    target: Option<f64>,
    measured: Spread,
}

impl Report {
    /// A figure that has no target: it explains another.
    pub fn note(&mut self, figure: impl Into<String>, measured: impl Into<Spread>) {
        self.add(figure.into(), None, measured.into());
    }

    /// A figure that may be `most`.
    pub fn bounded(&mut self, figure: impl Into<String>, most: f64, measured: impl Into<Spread>) {
        self.add(figure.into(), Some(most), measured.into());
    }

    fn add(&mut self, figure: String, target: Option<f64>, measured: Spread) {
        eprintln!("  {figure}: {measured}");
        self.rows.push(Row { figure, target, measured });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["figure", "target", "median (least to most)", "of the target"]);
        for Row { figure, target, measured } in &self.rows {
            let (target, ratio) = match target {
                Some(target) => (format!("≤ {target}"), format!("{:.2}", measured.median / target)),
                None => Default::default(),
            };
            table.add_row([figure.clone(), target, measured.to_string(), ratio]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

/// One figure, measured several times.
#[derive(Clone, Copy)]
pub struct Spread {
    least: f64,
    pub median: f64,
    most: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { least: values[0], median: values[values.len() / 2], most: values[values.len() - 1] }
    }
}

/// Measured once: what is counted, not timed.
impl From<f64> for Spread {
    fn from(value: f64) -> Self {
        Self { least: value, median: value, most: value }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, median, most } = *self;
        // Three digits are more than a timing is good for.
        let digits = match median {
            100.0.. => 0,
            10.0.. => 1,
            1.0.. => 2,
            _ => 3,
        };
        write!(f, "{median:.digits$}")?;
        if least < most { write!(f, " ({least:.digits$} to {most:.digits$})") } else { Ok(()) }
    }
}

/// Microseconds a sample.
pub fn micros_each(time: Duration, samples: u64) -> f64 {
    time.as_secs_f64() * 1e6 / samples as f64
}
