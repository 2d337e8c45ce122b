//! The rules of a label section: sorted by name, no name empty or repeated, at least one label.
//!
//! Source: the remote-write 1.0 specification, "Labels" (prometheus.io/docs/specs/prw/remote_write_spec).

use super::{Limits, Refusal, one_line};
use crate::wire;
use std::cmp::Ordering;

/// Checks the label section of the series with number `series` and sorts it in place. Returns its length.
pub(super) fn tidy(series: usize, section: &mut [u8], limits: &Limits) -> Result<usize, Refusal> {
    let mut is_sorted = true;
    let mut count = 0;
    let mut before: Option<&[u8]> = None;
    for label in wire::labels(section) {
        let name = label.map_err(|error| refuse(series, section, &error.what))?.name;
        if name.is_empty() {
            return Err(refuse(series, section, "a label has no name"));
        }
        is_sorted &= before.is_none_or(|before| ascends(before, name));
        before = Some(name);
        count += 1;
    }
    if before.is_none() {
        return Err(refuse(series, section, "it has no labels"));
    }
    limits
        .hold_labels(count, section)
        .map_err(|refusal| refusal.in_place(&format!("{}: ", place(series, section))))?;
    if !is_sorted {
        sort(series, section)?;
    }
    Ok(section.len())
}

/// True where `name` comes after `before`, which more often than not their first bytes tell.
#[inline]
fn ascends(before: &[u8], name: &[u8]) -> bool {
    match before.first().cmp(&name.first()) {
        Ordering::Less => true,
        Ordering::Equal => before < name,
        Ordering::Greater => false,
    }
}

/// Moves the labels, as they were written, into the order of their names.
#[cold]
fn sort(series: usize, section: &mut [u8]) -> Result<(), Refusal> {
    let mut fields = Vec::new();
    let mut labels = wire::labels(section);
    loop {
        let start = labels.at();
        let Some(label) = labels.next() else { break };
        fields.push((label?.name, start..labels.at()));
    }
    fields.sort_by_key(|(name, _)| *name);
    if let Some(pair) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let name = String::from_utf8_lossy(pair[0].0);
        return Err(refuse(series, section, &format!("label {} stands in it twice", one_line(&name))));
    }
    let sorted: Vec<u8> = fields.iter().flat_map(|(_, field)| &section[field.clone()]).copied().collect();
    section.copy_from_slice(&sorted);
    Ok(())
}

#[cold]
fn refuse(series: usize, section: &[u8], what: &str) -> Refusal {
    Refusal::Bad(format!("{}: {what}", place(series, section)))
}

/// The number of a series, and its name where it has one.
#[cold]
fn place(series: usize, section: &[u8]) -> String {
    let name = wire::metric_name(section).map(String::from_utf8_lossy).unwrap_or_default();
    if name.is_empty() {
        format!("series {series}")
    } else {
        format!("series {series} ({})", one_line(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits::of_bytes(1 << 20);

    fn section(labels: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in labels {
            wire::append_label(&mut out, name.as_bytes(), value.as_bytes());
        }
        out
    }

    #[track_caller]
    fn refused(labels: &[(&str, &str)]) -> String {
        tidy(3, &mut section(labels), &LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_series_and_label() {
        assert_eq!(refused(&[]), "series 3: it has no labels");
        assert_eq!(refused(&[("__name__", "up"), ("", "x")]), "series 3 (up): a label has no name");
        let twice = [("job", "a"), ("__name__", "up"), ("job", "b")];
        assert_eq!(refused(&twice), "series 3 (up): label job stands in it twice");
    }

    #[test]
    fn a_name_that_is_no_text_is_shown_safely() {
        let mut bytes = section(&[("__name__", "a\nb")]);
        wire::append_label(&mut bytes, b"", b"");
        assert_eq!(
            tidy(0, &mut bytes, &LIMITS).unwrap_err().to_string(),
            "series 0 (a\\nb): a label has no name"
        );
    }

    proptest! {
        #[test]
        fn labels_end_sorted_and_are_the_same(
            labels in prop::collection::btree_map("[a-z]{1,5}", ".{0,9}", 1..9).prop_map(Vec::from_iter).prop_shuffle(),
        ) {
            let pairs: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut bytes = section(&pairs);
            prop_assert_eq!(tidy(0, &mut bytes, &LIMITS), Ok(bytes.len()));
            let mut sorted = pairs;
            sorted.sort_unstable();
            prop_assert_eq!(bytes, section(&sorted));
        }

        #[test]
        fn any_bytes_are_tidy_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = tidy(0, &mut bytes, &LIMITS);
        }
    }
}
