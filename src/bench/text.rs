//! Values of scenario files and of the command line that are written as one word.

use crate::config::units::{format_duration, format_size, parse_duration, parse_size};
use crate::harness::{Encoding, Format, LoadProfile};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

/// A time such as `200ms`, `5s` or `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// A size in bytes, such as `16MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// How many samples a second are pushed in all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As fast as it goes.
    Max,
    Samples(f64),
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = parse_duration(text).map(Self);
        parsed.ok_or_else(|| format!("{text:?} is no time: write one as in 200ms, 5s or 1m30s"))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = parse_size(text).map(Self);
        parsed.ok_or_else(|| format!("{text:?} is no size: write one as in 64KiB, 16MiB or 1GiB"))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let parsed = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
        let parsed = parsed.map(Self::Samples);
        parsed.ok_or_else(|| format!("{text:?} is no rate: write samples a second as in 50000, or max"))
    }
}

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_size(self.0))
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Samples(rate) => write!(f, "{rate}"),
        }
    }
}

/// Types that are one word in a file, too.
macro_rules! one_word {
    ($($name:ty),*) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Word(PhantomData))
            }
        })*
    };
}

one_word!(Time, Size, Rate, LoadProfile, Format, Encoding);

/// Reads a word: what YAML takes for a number is one, too.
struct Word<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}
