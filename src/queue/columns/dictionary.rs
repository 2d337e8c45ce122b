//! The label sections of an interval, in little memory.
//!
//! Series of one host differ in two or three of their dozen labels. So a label is kept once, and a section is where its
//! labels stand; those that stand one after the other are one place:
//!
//! ```text
//!  bytes     │ __name__=up │ job=a │ node_id=1 │ node_type=x │ __name__=down │ …
//!  section 0 [ 0..4 ]
//!  section 1 [ 4..5, 1..4 ]
//! ```
//!
//! What is no run of labels is kept as it is: the bytes of a section come out as they went in, whatever they are. So are
//! sections that share little: to know a label takes more than a short one has.

use super::bytes::Reader;
use super::error::DecodeError;
use crate::model::Span;
use hashbrown::HashTable;
use twox_hash::XxHash3_64;

/// Labels of its own that a section of a host has, as a rule. Where there are more, on average, no more are looked for: what
/// is known of them would outgrow [`SERIES_BYTES`](crate::config::SERIES_BYTES).
const OWN_LABELS: usize = 3;
/// The first sections bring the labels that others share.
const FIRST_LABELS: usize = 1024;

/// Sections by number, from 0.
#[derive(Default)]
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    /// Where the labels stand, found by their hashes.
    known: HashTable<Span>,
    /// Of all sections, one after the other.
    places: Vec<Span>,
    sections: Vec<End>,
}

/// Where a section ends in `places`, and how many bytes it has.
#[derive(Clone, Copy)]
struct End {
    places: u32,
    len: u32,
}

impl Dictionary {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.known.clear();
        self.places.clear();
        self.sections.clear();
    }

    /// Adds a section; its number is that of those before it.
    pub(super) fn add(&mut self, section: &[u8]) -> Result<(), DecodeError> {
        if self.known.len() <= OWN_LABELS * self.sections.len() + FIRST_LABELS {
            self.add_labels(section)?;
        } else {
            let place = self.keep(section)?;
            self.places.push(place);
        }
        self.sections.push(End { places: narrow(self.places.len())?, len: narrow(section.len())? });
        Ok(())
    }

    /// Adds the places of a section's labels.
    fn add_labels(&mut self, section: &[u8]) -> Result<(), DecodeError> {
        let first = self.places.len();
        let mut rest = section;
        while !rest.is_empty() {
            let (label, tail) = rest.split_at(first_label(rest).unwrap_or(rest.len()));
            rest = tail;
            let place = self.place(label)?;
            match self.places[first..].last_mut() {
                Some(last) if last.end == place.start => last.end = place.end,
                _ => self.places.push(place),
            }
        }
        Ok(())
    }

    /// Where a label stands; it is put there if it does not stand anywhere.
    fn place(&mut self, label: &[u8]) -> Result<Span, DecodeError> {
        let hash = XxHash3_64::oneshot(label);
        if let Some(place) = self.known.find(hash, |place| self.bytes[place.range()] == *label) {
            return Ok(*place);
        }
        let place = self.keep(label)?;
        self.known.insert_unique(hash, place, |place| XxHash3_64::oneshot(&self.bytes[place.range()]));
        Ok(place)
    }

    /// Keeps bytes as they are.
    fn keep(&mut self, bytes: &[u8]) -> Result<Span, DecodeError> {
        let start = narrow(self.bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(Span { start, end: narrow(self.bytes.len())? })
    }

    /// The section with this number, which was added.
    #[inline]
    pub(super) fn section(&self, number: usize) -> Section<'_> {
        let start = number.checked_sub(1).map_or(0, |before| self.sections[before].places);
        let End { places, len } = self.sections[number];
        Section { bytes: &self.bytes, places: &self.places[start as usize..places as usize], len }
    }

    /// Bytes of memory that are in use: [`Dictionary::memory`] without what is kept free to grow into.
    pub(super) fn used(&self) -> usize {
        // An entry of a table takes a byte beside it.
        self.bytes.len()
            + self.known.len() * (size_of::<Span>() + 1)
            + size_of_val(self.places.as_slice())
            + size_of_val(self.sections.as_slice())
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.known.allocation_size()
            + self.places.capacity() * size_of::<Span>()
            + self.sections.capacity() * size_of::<End>()
    }
}

fn narrow(at: usize) -> Result<u32, DecodeError> {
    u32::try_from(at).map_err(|_| DecodeError("an interval has more than 4 GiB of labels"))
}

/// The length of the label that `section` begins with; none where it does not begin with one.
fn first_label(section: &[u8]) -> Option<usize> {
    let mut rest = Reader::new(section.strip_prefix(&[LABEL])?);
    let length = rest.varint()?;
    rest.take(length)?;
    Some(section.len() - rest.rest().len())
}

/// Tag of `labels` in a `TimeSeries`: field 1, with a length.
const LABEL: u8 = 1 << 3 | 2;

/// A label section that does not stand in one piece.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    bytes: &'a [u8],
    places: &'a [Span],
    len: u32,
}

impl Section<'_> {
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the section to `out`.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.len());
        self.places.iter().for_each(|place| out.extend_from_slice(&self.bytes[place.range()]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;
    use proptest::prelude::*;

    fn labels(labels: &[(u8, u8)]) -> Vec<u8> {
        let mut section = Vec::new();
        for (name, value) in labels {
            wire::append_label(&mut section, &[*name], &vec![*value; usize::from(*value)]);
        }
        section
    }

    proptest! {
        #[test]
        fn sections_come_out_as_they_went_in(
            sections in prop::collection::vec(prop_oneof![
                prop::collection::vec((0u8..4, 0u8..=255), 0..6).prop_map(|pairs| labels(&pairs)),
                prop::collection::vec(any::<u8>(), 0..9),
            ], 1..40),
        ) {
            let mut dictionary = Dictionary::default();
            for round in 0..2 {
                dictionary.clear();
                sections.iter().for_each(|section| dictionary.add(section).unwrap());
                for (number, section) in sections.iter().enumerate().skip(round) {
                    let found = dictionary.section(number);
                    let mut out = vec![7];
                    found.write(&mut out);
                    prop_assert_eq!(&out[1..], section.as_slice());
                    prop_assert_eq!(found.len(), section.len());
                }
            }
        }
    }

    #[test]
    fn sections_that_share_nothing_take_little_more_than_their_bytes() {
        let mut dictionary = Dictionary::default();
        let mut bytes = 0;
        for number in 0..20_000u64 {
            let mut section = Vec::new();
            for label in 0..10u64 {
                let value = (number * 10 + label).to_string();
                wire::append_label(&mut section, &[b'a' + label as u8], value.as_bytes());
            }
            dictionary.add(&section).unwrap();
            bytes += section.len();
            let mut out = Vec::new();
            dictionary.section(number as usize).write(&mut out);
            assert_eq!(out, section);
        }
        // Vectors and tables have room for as much again.
        let most = 2 * (bytes + 20_000 * crate::config::SERIES_BYTES);
        assert!(dictionary.memory() < most, "{} bytes for {bytes}", dictionary.memory());
    }

    #[test]
    fn a_label_is_kept_once() {
        let mut dictionary = Dictionary::default();
        for number in 0..=255 {
            dictionary.add(&labels(&[(1, number), (2, 200), (3, 201), (4, 202)])).unwrap();
        }
        let own: usize = (0..=255).map(|number| labels(&[(1, number)]).len()).sum();
        assert_eq!(dictionary.bytes.len(), own + labels(&[(2, 200), (3, 201), (4, 202)]).len());
        assert!(dictionary.places.len() <= 2 * dictionary.sections.len());
    }
}
