//! How much a push may hold: the one place where it is held to that, whatever its protocol.
//!
//! Labels are looked at as they are stored, a section at a time; series and samples are counted by what builds the push.

use super::{Refusal, one_line};
use crate::config::Bounds;
use crate::model::Counts;
use crate::wire;
use std::fmt::{self, Display};

/// How large a request may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unpacked bytes. The size a body declares is checked before anything is allocated.
    pub unpacked_bytes: usize,
    pub bounds: Bounds,
}

/// What there may be too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Series,
    Samples,
    Labels,
    LabelNameBytes,
    LabelValueBytes,
    LineBytes,
    Symbols,
}

impl Bound {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] = [
        Self::Series,
        Self::Samples,
        Self::Labels,
        Self::LabelNameBytes,
        Self::LabelValueBytes,
        Self::LineBytes,
        Self::Symbols,
    ];

    /// The key of `server` that sets it, which is also what refusals for it are counted by.
    pub fn option(self) -> &'static str {
        match self {
            Self::Series => "max_series",
            Self::Samples => "max_samples",
            Self::Labels => "max_labels",
            Self::LabelNameBytes => "max_label_name_bytes",
            Self::LabelValueBytes => "max_label_value_bytes",
            Self::LineBytes => "max_line_bytes",
            Self::Symbols => "max_symbols",
        }
    }

    /// True where smaller requests would be taken: the bound is not one of a series or a line.
    pub fn is_of_request(self) -> bool {
        matches!(self, Self::Series | Self::Samples | Self::Symbols)
    }
}

/// More than a bound allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    pub bound: Bound,
    pub found: usize,
    pub most: usize,
    /// Where it is, with a colon behind, or nothing.
    pub place: String,
}

impl Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bound, found, most, place } = self;
        let (what, to_do) = match bound {
            Bound::Series => ("series in the request", "send smaller requests"),
            Bound::Samples => ("samples in the request", "send smaller requests"),
            Bound::Symbols => ("symbols in the request", "send smaller requests"),
            Bound::Labels => ("labels of a series", "send fewer"),
            Bound::LabelNameBytes => ("bytes in the name of a label", "shorten it"),
            Bound::LabelValueBytes => ("bytes in the value of a label", "shorten it"),
            Bound::LineBytes => ("bytes in a line", "send shorter lines"),
        };
        let option = bound.option();
        write!(f, "{place}{found} {what}, and {most} are taken (server.{option}); {to_do} or raise the limit")
    }
}

impl Limits {
    /// Limits with every bound at its default.
    pub const fn of_bytes(unpacked_bytes: usize) -> Self {
        Self { unpacked_bytes, bounds: Bounds::DEFAULT }
    }

    /// Holds a push, or what there is of it, to the number of series and samples.
    #[inline]
    pub(super) fn hold_counts(&self, counts: Counts) -> Result<(), Refusal> {
        over(Bound::Series, counts.series as usize, self.bounds.series)?;
        over(Bound::Samples, counts.all_samples() as usize, self.bounds.samples)
    }

    pub(super) fn hold_line(&self, bytes: usize) -> Result<(), Refusal> {
        over(Bound::LineBytes, bytes, self.bounds.line_bytes)
    }

    /// Holds a section of so many labels to their bounds. One that is shorter than any label may be, as nearly all are, is
    /// not looked at.
    #[inline]
    pub(super) fn hold_labels(&self, count: usize, section: &[u8]) -> Result<(), Refusal> {
        let Bounds { labels, label_name_bytes, label_value_bytes, .. } = self.bounds;
        let is_short = section.len() <= label_name_bytes.min(label_value_bytes);
        if count <= labels && is_short { Ok(()) } else { self.hold_each_label(count, section) }
    }

    #[cold]
    fn hold_each_label(&self, count: usize, section: &[u8]) -> Result<(), Refusal> {
        over(Bound::Labels, count, self.bounds.labels)?;
        for label in wire::labels(section) {
            let label = label?;
            over(Bound::LabelNameBytes, label.name.len(), self.bounds.label_name_bytes)?;
            over(Bound::LabelValueBytes, label.value.len(), self.bounds.label_value_bytes).map_err(
                |refusal| {
                    let name = String::from_utf8_lossy(label.name);
                    refusal.in_place(&format!("label {}: ", one_line(&name)))
                },
            )?;
        }
        Ok(())
    }
}

#[inline]
fn over(bound: Bound, found: usize, most: usize) -> Result<(), Refusal> {
    if found <= most { Ok(()) } else { Err(beyond(bound, found, most)) }
}

#[cold]
pub(super) fn beyond(bound: Bound, found: usize, most: usize) -> Refusal {
    Refusal::Over(Over { bound, found, most, place: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let bounds = Bounds { labels: 2, label_name_bytes: 16, label_value_bytes: 64, ..Bounds::DEFAULT };
        Limits { unpacked_bytes: 1 << 20, bounds }
    }

    fn hold(labels: &[(&str, &str)]) -> Result<(), String> {
        let mut section = Vec::new();
        for (name, value) in labels {
            wire::append_label(&mut section, name.as_bytes(), value.as_bytes());
        }
        limits().hold_labels(labels.len(), &section).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn what_is_at_a_bound_is_taken_and_what_is_beyond_says_what_to_do() {
        let (name, value) = ("n".repeat(16), "v".repeat(64));
        assert_eq!(hold(&[(&name, &value), (&name, &value)]), Ok(()));
        let refused = |labels: &[(&str, &str)], what: &str| assert_eq!(hold(labels), Err(what.into()));
        refused(
            &[("a", ""), ("b", ""), ("c", "")],
            "3 labels of a series, and 2 are taken (server.max_labels); send fewer or raise the limit",
        );
        refused(
            &[(&"n".repeat(17), "")],
            "17 bytes in the name of a label, and 16 are taken (server.max_label_name_bytes); shorten it or raise the limit",
        );
        refused(
            &[("a", &"v".repeat(65))],
            "label a: 65 bytes in the value of a label, and 64 are taken (server.max_label_value_bytes); shorten it or \
             raise the limit",
        );
    }

    #[test]
    fn series_and_samples_are_counted_and_histograms_are_samples() {
        let bounds = Bounds { series: 2, samples: 3, ..Bounds::DEFAULT };
        let limits = Limits { unpacked_bytes: 0, bounds };
        let counts = Counts { series: 2, samples: 2, histograms: 1, ..Counts::default() };
        assert_eq!(limits.hold_counts(counts), Ok(()));
        for (counts, bound) in [
            (Counts { series: 3, ..counts }, Bound::Series),
            (Counts { histograms: 2, ..counts }, Bound::Samples),
        ] {
            let refused = limits.hold_counts(counts);
            assert!(matches!(&refused, Err(Refusal::Over(over)) if over.bound == bound), "{refused:?}");
        }
    }
}
