//! What the exporters of a PMM host expose: metric names, labels, and how the values move.

mod mongodb;
mod mysql;
mod node;
mod postgres;

pub(super) use mongodb::MONGODB;
pub(super) use mysql::MYSQL;
pub(super) use node::NODE;
pub(super) use postgres::POSTGRES;

use super::Rng;

/// How the values of a family move from scrape to scrape. A value is a whole number over [`Kind::scale`],
/// so that its decimal form is short, as exporters' are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A counter of events; many stand still on a quiet host.
    Counter,
    /// A counter of seconds, in hundredths.
    Seconds,
    /// A gauge of bytes, in pages.
    Bytes,
    /// A gauge from 0 to 1, in ten-thousandths.
    Ratio,
    /// A setting or an info metric.
    Constant,
}

impl Kind {
    pub(super) fn scale(self) -> f64 {
        match self {
            Self::Seconds => 100.0,
            Self::Ratio => 10_000.0,
            Self::Counter | Self::Bytes | Self::Constant => 1.0,
        }
    }

    pub(super) fn first(self, rng: &mut Rng) -> u64 {
        match self {
            Self::Counter | Self::Seconds => rng.below(10_000_000),
            Self::Bytes => rng.below(1 << 20) * 4096,
            Self::Ratio => rng.below(10_001),
            Self::Constant => rng.below(3) * 512,
        }
    }

    pub(super) fn next(self, value: u64, rng: &mut Rng) -> u64 {
        match self {
            Self::Counter if rng.chance(40) => value,
            Self::Counter => value + rng.below(1000),
            Self::Seconds => value + rng.below(500),
            Self::Bytes if rng.chance(50) => value + rng.below(64) * 4096,
            Self::Bytes => value.saturating_sub(rng.below(64) * 4096),
            Self::Ratio => (value + rng.below(201)).saturating_sub(100).min(10_000),
            Self::Constant => value,
        }
    }
}

/// How many series a family has on a host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Each {
    /// One.
    Host,
    /// One for each of these values of a label.
    By(&'static str, &'static [&'static str]),
    /// One for each pair of these values of two labels.
    ByBoth(&'static str, &'static [&'static str], &'static str, &'static [&'static str]),
    /// One for each item: the label's name, and the stem of its values.
    Item(&'static str, &'static str),
    /// One for each item and each value of a second label.
    ItemBy(&'static str, &'static str, &'static str, &'static [&'static str]),
}

/// One metric of an exporter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) each: Each,
}

/// One exporter.
#[derive(Debug)]
pub(super) struct Exporter {
    /// `agent_type`, and what `job` begins with.
    pub(super) name: &'static str,
    /// None for the host itself, which is no service.
    pub(super) service_type: Option<&'static str>,
    /// Without those of [`TARGET`], which come first.
    pub(super) families: &'static [Family],
}

const fn family(name: &'static str, kind: Kind, each: Each) -> Family {
    Family { name, kind, each }
}

/// What comes with every target that is scraped.
static TARGET: [Family; 5] = [
    family("up", Kind::Constant, Each::Host),
    family("scrape_duration_seconds", Kind::Ratio, Each::Host),
    family("scrape_samples_scraped", Kind::Constant, Each::Host),
    family("scrape_samples_post_metric_relabeling", Kind::Constant, Each::Host),
    family("scrape_series_added", Kind::Constant, Each::Host),
];

/// One series of an exporter: its family, and the labels that tell it from the others.
pub(super) type Member = (Family, Vec<(&'static str, String)>);

impl Exporter {
    /// Its series, item after item, without an end.
    pub(super) fn members(&'static self) -> impl Iterator<Item = Member> {
        let families = move || TARGET.iter().chain(self.families);
        (0u32..).flat_map(move |item| families().flat_map(move |family| family.members(item)))
    }
}

impl Family {
    fn members(self, item: u32) -> Vec<Member> {
        match self.each {
            Each::Host if item == 0 => vec![(self, Vec::new())],
            Each::By(label, values) if item == 0 => {
                values.iter().map(|value| (self, vec![(label, (*value).to_owned())])).collect()
            }
            Each::ByBoth(label, values, by, others) if item == 0 => {
                let pairs = values.iter().flat_map(|value| others.iter().map(move |other| (value, other)));
                pairs
                    .map(|(value, other)| {
                        (self, vec![(label, (*value).to_owned()), (by, (*other).to_owned())])
                    })
                    .collect()
            }
            Each::Host | Each::By(..) | Each::ByBoth(..) => Vec::new(),
            Each::Item(label, stem) => vec![(self, vec![(label, format!("{stem}{item}"))])],
            Each::ItemBy(label, stem, by, values) => values
                .iter()
                .map(|value| (self, vec![(label, format!("{stem}{item}")), (by, (*value).to_owned())]))
                .collect(),
        }
    }
}
