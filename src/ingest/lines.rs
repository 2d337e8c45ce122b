//! Bodies of lines, each of which is read alone, and what becomes of a bad one.

use super::Refusal;
use super::import::{Import, Series};
use crate::config::BadLines;
use crate::model::Push;
use memchr::memchr_iter;

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    pub push: Push,
    pub skipped: Skipped,
}

/// Lines that were passed over because they are bad; nothing of them is in the push.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    pub lines: u64,
    /// What is wrong with the first of them, and where.
    pub first: Option<Refusal>,
}

/// Shows each line of `body` to `add`, with what it is to be added to. What of a bad line was added is taken back.
///
/// Whatever `import.bad_lines` says, a body that holds more than it may is refused: which of its lines would have to go?
pub(super) fn read<'b>(
    body: &'b [u8],
    import: &Import,
    mut add: impl FnMut(&mut Series<'_>, &'b [u8]) -> Result<(), Refusal>,
) -> Result<Imported, Refusal> {
    let mut series = Series::new(import);
    let mut skipped = Skipped::default();
    let ends = memchr_iter(b'\n', body).chain([body.len()]);
    let mut start = 0;
    for (at, end) in ends.enumerate() {
        let line = &body[start..end];
        start = end + 1;
        let mark = series.mark();
        let added = import.limits.hold_line(line.len()).and_then(|()| add(&mut series, line));
        if let Err(refusal) = added {
            let refusal = refusal.in_line(at + 1);
            if import.bad_lines == BadLines::Refuse || !refusal.is_of_one_line() {
                return Err(refusal);
            }
            series.rewind(mark);
            skipped.lines += 1;
            skipped.first.get_or_insert(refusal);
        }
    }
    Ok(Imported { push: series.finish(), skipped })
}

#[cfg(test)]
mod tests {
    use super::super::import::tests::import;
    use super::super::{Limits, csv, exposition, import_json};
    use super::*;
    use crate::config::Bounds;
    use proptest::prelude::*;

    type Decode = fn(&[u8], &Import) -> Result<Imported, Refusal>;

    fn text(body: &[u8], import: &Import) -> Result<Imported, Refusal> {
        exposition::decode(body, exposition::Format::Prometheus, import)
    }

    /// Each format, with good lines and bad ones. Some of these are bad only at their ends.
    const FORMATS: [(&str, Decode, &[&str], &[&str]); 3] = [
        (
            "",
            text,
            &["up 1", "up{a=\"b\"} 2 1700000000", "", "# HELP up {", "a 1 # {b=\"c\"} 1"],
            &["up{", "up x", "up 1 2 3", "a 1 # {b=\"c\",b=\"c\"} 1", "{} 1", "up \u{1}"],
        ),
        (
            "",
            import_json::decode,
            &[r#"{"metric":{"__name__":"up"},"values":[1],"timestamps":[5]}"#, "", " "],
            &[
                "{",
                r#"{"metric":{"__name__":"up"},"values":[1],"timestamps":[5,6]}"#,
                r#"{"metric":{"":"up"},"values":[1],"timestamps":[5]}"#,
                r#"{"metric":{"__name__":"up"},"values":[1,2],"timestamps":[5,"x"]}"#,
            ],
        ),
        (
            "format=1:label:k,2:metric:a,3:metric:b",
            csv::decode,
            &["k,1,2", "", ",3,", "\"q,\",,4"],
            &["k", "k,1,x", "k,x,1", "\"k,1,2"],
        ),
    ];

    fn skipping(query: &str) -> Import {
        Import { bad_lines: BadLines::Skip, ..import(query) }
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_the_good_lines_are_alone(
            format in 0..FORMATS.len(),
            picks in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..12),
        ) {
            let (query, decode, good, bad) = FORMATS[format];
            // A first line of CSV without a number is a header.
            let first = (good[0], true);
            let lines = picks.iter().map(|(is_good, pick)| match is_good {
                true => (good[pick.index(good.len())], true),
                false => (bad[pick.index(bad.len())], false),
            });
            let lines: Vec<_> = std::iter::once(first).chain(lines).collect();
            let joined = |lines: Vec<&str>| lines.join("\n").into_bytes();
            let all = joined(lines.iter().map(|(line, _)| *line).collect());
            let of_good = joined(lines.iter().filter(|(_, is_good)| *is_good).map(|(line, _)| *line).collect());
            let kept = decode(&all, &skipping(query)).unwrap();
            prop_assert_eq!(&kept.push, &decode(&of_good, &import(query)).unwrap().push);
            let first_bad = lines.iter().position(|(_, is_good)| !is_good);
            let is_named = |refusal: &Refusal| refusal.to_string().starts_with(&format!("line {}: ", first_bad.unwrap() + 1));
            prop_assert_eq!(kept.skipped.lines, lines.iter().filter(|(_, is_good)| !is_good).count() as u64);
            prop_assert!(kept.skipped.first.as_ref().map(is_named) == first_bad.map(|_| true));
            // The other policy stops at that line, with the same words.
            prop_assert_eq!(decode(&all, &import(query)).err(), kept.skipped.first);
        }
    }

    #[test]
    fn a_line_over_a_bound_is_bad_and_a_request_over_one_is_refused() {
        let mut import = skipping("");
        import.limits.bounds = Bounds { labels: 2, line_bytes: 30, series: 3, ..Bounds::DEFAULT };
        let long = format!("up{{a=\"{}\"}} 1", "x".repeat(30));
        let kept =
            text(format!("up 1\nup{{a=\"1\",b=\"2\"}} 1\n{long}\nup 2\n").as_bytes(), &import).unwrap();
        assert_eq!((kept.push.counts().series, kept.skipped.lines), (2, 2));
        let refused = text(b"up 1\nup 2\nup 3\nup 4\n", &import).unwrap_err();
        assert!(refused.to_string().starts_with("line 4: 4 series in the request"), "{refused}");
        import.limits = Limits::of_bytes(8);
        assert!(matches!(text(&b"up 1\n".repeat(4), &import), Err(Refusal::TooLarge(_))));
    }
}
