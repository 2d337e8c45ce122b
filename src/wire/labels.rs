//! Label sections: reading and writing the labels in them.

use super::WireError;
use super::field::{BYTES, Fields, field_len, put_head};

const NAME: u32 = 1;
const VALUE: u32 = 2;
/// `labels` of `TimeSeries`.
pub(super) const LABELS: u32 = 1;
/// As a field of it begins.
pub(super) const LABEL_TAG: u8 = (LABELS as u8) << 3 | BYTES;

/// One label of a section. Names and values are bytes: whether they are UTF-8 is for upstreams to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
}

/// The labels of `section` in the order they stand there. Ends after the first error.
pub fn labels(section: &[u8]) -> Labels<'_> {
    Labels { section, fields: Fields::of(section, 0..section.len()) }
}

/// See [`labels`].
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    section: &'a [u8],
    fields: Fields<'a>,
}

impl<'a> Labels<'a> {
    /// Offset in the section at which the next label starts.
    pub fn at(&self) -> usize {
        self.fields.at()
    }

    fn read_any(&mut self) -> Result<Option<Label<'a>>, WireError> {
        let Some(field) = self.fields.next()? else { return Ok(None) };
        if field.number != LABELS {
            return Err(WireError::new(field.whole.start, "a field in a label section that is no label"));
        }
        let mut label = Label { name: &[], value: &[] };
        let mut fields = Fields::of(self.section, field.bytes()?);
        while let Some(field) = fields.next()? {
            match field.number {
                NAME => label.name = &self.section[field.bytes()?],
                VALUE => label.value = &self.section[field.bytes()?],
                _ => {}
            }
        }
        Ok(Some(label))
    }

    #[inline(never)]
    fn next_any(&mut self) -> Option<Result<Label<'a>, WireError>> {
        let read = self.read_any();
        if read.is_err() {
            self.fields = Fields::of(&[], 0..0);
        }
        read.transpose()
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = Result<Label<'a>, WireError>;

    // A caller's loop has the short form in it, and calls nothing for nearly all labels.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let Some((label, length)) = short_label(&self.section[self.fields.at()..]) else {
            return self.next_any();
        };
        self.fields.skip(length);
        Some(Ok(label))
    }
}

/// The label that `rest` begins with, as nearly all are written: name, value, and nothing else, each below 128 bytes. With
/// its length; none where it is of another form, or wrong.
#[inline(always)]
fn short_label(rest: &[u8]) -> Option<(Label<'_>, usize)> {
    const NAME_TAG: u8 = (NAME as u8) << 3 | BYTES;
    const VALUE_TAG: u8 = (VALUE as u8) << 3 | BYTES;
    let (&[LABEL_TAG, length @ ..0x80, NAME_TAG, name_length @ ..0x80], rest) = rest.split_first_chunk()?
    else {
        return None;
    };
    let (name, rest) = rest.split_at_checked(name_length.into())?;
    let (&[VALUE_TAG, value_length @ ..0x80], rest) = rest.split_first_chunk()? else { return None };
    let is_all = u16::from(length) == 4 + u16::from(name_length) + u16::from(value_length);
    let value = rest.get(..value_length.into()).filter(|_| is_all)?;
    Some((Label { name, value }, 2 + usize::from(length)))
}

/// Appends one label to a section that is being written.
pub fn append_label(section: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_head(section, LABELS as u8, field_len(name.len()) + field_len(value.len()));
    put_head(section, NAME as u8, name.len());
    section.extend_from_slice(name);
    put_head(section, VALUE as u8, value.len());
    section.extend_from_slice(value);
}

/// Bytes that [`append_label`] writes.
#[inline]
pub fn label_len(name: &[u8], value: &[u8]) -> usize {
    field_len(field_len(name.len()) + field_len(value.len()))
}

/// The value of the label `__name__`, if the section has it.
pub fn metric_name(section: &[u8]) -> Option<&[u8]> {
    labels(section).map_while(Result::ok).find(|label| label.name == b"__name__").map(|label| label.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sections, some with a byte changed.
    fn section() -> impl Strategy<Value = Vec<u8>> {
        let label = (prop::collection::vec(any::<u8>(), 0..140), prop::collection::vec(any::<u8>(), 0..140));
        let change = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
        (prop::collection::vec(label, 0..4), change).prop_map(|(labels, change)| {
            let mut section = Vec::new();
            labels.iter().for_each(|(name, value)| append_label(&mut section, name, value));
            if let Some((at, to)) = change.filter(|_| !section.is_empty()) {
                let at = at.index(section.len());
                section[at] = to;
            }
            section
        })
    }

    proptest! {
        #[test]
        fn a_short_label_is_what_the_walk_over_its_fields_finds(section in section()) {
            let mut walk = labels(&section);
            loop {
                let short = short_label(&section[walk.at()..]);
                let start = walk.at();
                let walked = walk.read_any();
                if let Some((label, length)) = short {
                    prop_assert_eq!(walked.as_ref(), Ok(&Some(label)));
                    prop_assert_eq!(walk.at() - start, length);
                }
                if !matches!(walked, Ok(Some(_))) {
                    break;
                }
            }
        }

        #[test]
        fn labels_written_are_the_labels_read(
            written in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u8>(), 0..300)), 0..5),
        ) {
            let mut section = Vec::new();
            let mut length = 0;
            for (name, value) in &written {
                append_label(&mut section, name, value);
                length += label_len(name, value);
            }
            prop_assert_eq!(section.len(), length);
            let read: Vec<_> =
                labels(&section).map(|label| label.map(|l| (l.name.to_vec(), l.value.to_vec())).unwrap()).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn any_bytes_end_in_an_error_or_in_labels(section in prop::collection::vec(any::<u8>(), 0..100)) {
            let read: Vec<_> = labels(&section).collect();
            prop_assert!(read.iter().rev().skip(1).all(Result::is_ok), "nothing follows an error");
        }
    }

    #[test]
    fn the_last_of_a_repeated_field_wins_as_in_every_protobuf_reader() {
        let section = [0x0a, 9, 0x0a, 1, b'a', 0x0a, 1, b'b', 0x12, 1, b'c'];
        let read: Vec<_> = labels(&section).map(Result::unwrap).collect();
        assert_eq!(read, [Label { name: b"b", value: b"c" }]);
    }

    #[test]
    fn the_metric_name_is_found_wherever_it_stands() {
        let mut section = Vec::new();
        append_label(&mut section, b"Zone", b"z");
        assert_eq!(metric_name(&section), None);
        append_label(&mut section, b"__name__", b"up");
        assert_eq!(metric_name(&section), Some(&b"up"[..]));
    }

    #[test]
    fn nearly_all_labels_are_short() {
        let mut section = Vec::new();
        append_label(&mut section, b"__name__", b"node_cpu_seconds_total");
        assert_eq!(short_label(&section).map(|(_, length)| length), Some(section.len()));
    }
}
