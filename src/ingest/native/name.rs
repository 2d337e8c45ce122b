//! The labels of a series as a block has them before it.
//!
//! ```text
//!  name of the metric 01 │ name of a label 01 value 01 │ …
//! ```
//!
//! The bytes 0, 1 and 2 in them are written as 0 and the digit `0`, `1` or `2`. Labels are bytes, as everywhere: whether
//! they are UTF-8 is for upstreams to say.
//!
//! Source: VictoriaMetrics, lib/storage/metric_name.go.

use super::super::import::NAME;
use std::borrow::Cow;

const ESCAPE: u8 = 0;
const END: u8 = 1;

/// Names and values.
pub(super) type Labels<'b> = Vec<(Cow<'b, [u8]>, Cow<'b, [u8]>)>;

/// The labels in the order they are written, and before them the name of the metric where there is one.
pub(super) fn labels(name: &[u8]) -> Result<Labels<'_>, String> {
    let parts = name.strip_suffix(&[END]).ok_or("its name does not end in the byte 1")?;
    let mut parts = parts.split(|byte| *byte == END).map(unescaped);
    let metric = parts.next().expect("BUG: a split has a part at the least")?;
    let mut labels = Labels::new();
    if !metric.is_empty() {
        labels.push((Cow::Borrowed(NAME.as_bytes()), metric));
    }
    while let Some(label) = parts.next() {
        let value = parts.next().ok_or("the last label in its name has no value")?;
        labels.push((label?, value?));
    }
    Ok(labels)
}

fn unescaped(part: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !part.contains(&ESCAPE) {
        return Ok(part.into());
    }
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(byte) = bytes.next() {
        out.push(match (*byte, bytes.as_slice().first()) {
            (ESCAPE, Some(digit @ b'0'..=b'2')) => {
                bytes.next();
                digit - b'0'
            }
            (ESCAPE, _) => return Err("a byte 0 in its name begins no escape".into()),
            (byte, _) => byte,
        });
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::native_name;
    use proptest::prelude::*;

    fn owned(labels: &Labels<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        labels.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }

    #[test]
    fn a_name_is_that_of_the_metric_and_its_labels() {
        let read = labels(b"up\x01job\x01a\x000b\x001c\x002d\x01").unwrap();
        let label = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        assert_eq!(owned(&read), [label(b"__name__", b"up"), label(b"job", b"a\x00b\x01c\x02d")]);
        assert_eq!(owned(&labels(b"\x01a\x01b\x01").unwrap()), [label(b"a", b"b")]);
        assert_eq!(owned(&labels(b"\x01").unwrap()), []);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (name, what) in [
            (&b""[..], "does not end in the byte 1"),
            (b"up", "does not end in the byte 1"),
            (b"up\x01job\x01", "has no value"),
            (b"up\x01job\x01a", "does not end in the byte 1"),
            (b"u\x003p\x01", "begins no escape"),
            (b"up\x00\x01", "begins no escape"),
        ] {
            let refused = labels(name).unwrap_err();
            assert!(refused.contains(what), "{name:?}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn labels_of_any_bytes_come_back(
            metric in prop::collection::vec(0..5u8, 1..6),
            pairs in prop::collection::vec((prop::collection::vec(0..5u8, 0..6), prop::collection::vec(any::<u8>(), 0..6)), 0..4),
        ) {
            let mut written = vec![(b"__name__".to_vec(), metric)];
            written.extend(pairs);
            let name = native_name(written.iter().map(|(name, value)| (&name[..], &value[..])));
            prop_assert_eq!(owned(&labels(&name).unwrap()), written);
        }

        #[test]
        fn no_bytes_make_it_panic(name in prop::collection::vec(0..60u8, 0..40)) {
            let _ = labels(&name);
        }
    }
}
