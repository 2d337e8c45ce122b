//! `server.max_*`: how much one push may hold. Each is read, written and compared by its entry in one table.

use super::raw;
use super::units::{KIB, MIB, format_size};
use super::value::Reader;
use super::yaml::Node;
use std::ops::RangeInclusive;

/// How much one push may hold, whatever its protocol.
///
/// The defaults are far beyond what agents and exporters send: they are for pushers that went wrong, whose series would
/// take the memory and the disk of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Series, each time that one stands in the push. Default 500 000, 1 to 10 million.
    pub series: usize,
    /// Float and histogram samples. Default 2 million, 1 to 100 million.
    pub samples: usize,
    /// Labels of a series, its name included. Default 128, 1 to 10 000.
    pub labels: usize,
    /// Bytes of a label's name. Default 1 KiB, 16 to 1 MiB.
    pub label_name_bytes: usize,
    /// Bytes of a label's value. Default 64 KiB, 64 to 16 MiB.
    pub label_value_bytes: usize,
    /// Bytes of a line of an import. Default 16 MiB, 1 KiB to 256 MiB.
    pub line_bytes: usize,
    /// Symbols of a remote write 2.0 request. Default 500 000, 1 to 10 million.
    pub symbols: usize,
}

impl Bounds {
    pub const DEFAULT: Self = Self {
        series: 500_000,
        samples: 2_000_000,
        labels: 128,
        label_name_bytes: 1 << 10,
        label_value_bytes: 64 << 10,
        line_bytes: 16 << 20,
        symbols: 500_000,
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a bound is counted in, and what it may be set to.
enum Takes {
    Count(RangeInclusive<usize>),
    Bytes(RangeInclusive<u64>),
}

/// Where the value of a bound stands as typed.
type Typed = fn(&raw::Server) -> Option<&Node>;
/// Where it stands as validated.
type Validated = fn(&mut Bounds) -> &mut usize;

/// One bound: its key in `server`, what it takes, and where its value stands.
type Entry = (&'static str, Takes, Typed, Validated);

/// In the order of the documentation.
#[rustfmt::skip]
const TABLE: [Entry; 7] = [
    ("max_series", Takes::Count(1..=10_000_000), |raw| raw.max_series.as_ref(), |to| &mut to.series),
    ("max_samples", Takes::Count(1..=100_000_000), |raw| raw.max_samples.as_ref(), |to| &mut to.samples),
    ("max_labels", Takes::Count(1..=10_000), |raw| raw.max_labels.as_ref(), |to| &mut to.labels),
    ("max_label_name_bytes", Takes::Bytes(16..=MIB), |raw| raw.max_label_name_bytes.as_ref(), |to| &mut to.label_name_bytes),
    ("max_label_value_bytes", Takes::Bytes(64..=16 * MIB), |raw| raw.max_label_value_bytes.as_ref(), |to| &mut to.label_value_bytes),
    ("max_line_bytes", Takes::Bytes(KIB..=256 * MIB), |raw| raw.max_line_bytes.as_ref(), |to| &mut to.line_bytes),
    ("max_symbols", Takes::Count(1..=10_000_000), |raw| raw.max_symbols.as_ref(), |to| &mut to.symbols),
];

impl Bounds {
    pub(super) fn read(raw: &raw::Server, reader: &mut Reader) -> Self {
        let mut bounds = Self::DEFAULT;
        for (_, takes, typed, validated) in TABLE {
            let value = match takes {
                Takes::Count(range) => reader.count(typed(raw), range),
                Takes::Bytes(range) => reader.size(typed(raw), range).map(|bytes| bytes as usize),
            };
            let bound = validated(&mut bounds);
            *bound = value.unwrap_or(*bound);
        }
        bounds
    }

    /// Every key with its value, as it would be typed.
    pub(super) fn written(mut self) -> impl Iterator<Item = (&'static str, String)> {
        TABLE.into_iter().map(move |(key, takes, _, validated)| {
            let value = *validated(&mut self);
            let text = match takes {
                Takes::Count(_) => value.to_string(),
                Takes::Bytes(_) => format_size(value as u64),
            };
            (key, text)
        })
    }
}
