use super::super::Limits;
use super::super::import::tests::{NOW_MS, import};
use super::*;
use crate::model::{Push, PushBuilder};
use crate::wire;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What is taken of a body where no line is skipped.
fn decode(body: &[u8], format: Format, import: &Import) -> Result<Push, Refusal> {
    super::decode(body, format, import).map(|imported| imported.push)
}

fn read(text: &str) -> Result<Push, Refusal> {
    decode(text.as_bytes(), Format::Prometheus, &import(""))
}

#[track_caller]
fn refused(text: &str) -> String {
    match read(text) {
        Err(refusal) => refusal.to_string(),
        other => panic!("{text}: {other:?}"),
    }
}

/// The labels of the only series, and its sample.
#[track_caller]
fn only(push: &Push) -> (String, f64, i64) {
    let series = push.series().next().unwrap();
    assert_eq!((push.series().len(), series.samples.len()), (1, 1));
    let labels: Vec<_> = wire::labels(series.labels)
        .map(Result::unwrap)
        .map(|label| {
            format!("{}={}", String::from_utf8_lossy(label.name), String::from_utf8_lossy(label.value))
        })
        .collect();
    (labels.join(";"), series.samples[0].value, series.samples[0].timestamp)
}

#[test]
fn lines_are_read_as_they_may_be_written() {
    for (line, labels) in [
        ("up 1", "__name__=up"),
        ("up{} 1", "__name__=up"),
        ("up{a=\"x\",} 1\r", "__name__=up;a=x"),
        ("  up \t{ b = \"2\" , a=\"1\" }1 ", "__name__=up;a=1;b=2"),
        (r#"up{a="\\b\"c\nd\te"} 1"#, "__name__=up;a=\\b\"c\nd\\te"),
        (r#"up{a="} 1 2 #,=",b=""} 1"#, "__name__=up;a=} 1 2 #,=;b="),
        (r#"{"a.b","c d"="x",e="y"} 1"#, "__name__=a.b;c d=x;e=y"),
        (r#"{__name__="a",e="y"} 1"#, "__name__=a;e=y"),
        ("a.b-c:dé 1", "__name__=a.b-c:dé"),
    ] {
        let push = read(&format!("# HELP up {{\n\n{line}\n# EOF\n")).unwrap();
        assert_eq!(only(&push), (labels.into(), 1.0, NOW_MS), "{line}");
    }
}

#[test]
fn numbers_have_words_and_one_nan() {
    for (text, value) in [
        ("+Inf", f64::INFINITY),
        ("Inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("NaN", f64::NAN),
        ("-nan", f64::NAN),
        ("-0", -0.0),
        ("+1.5e3", 1500.0),
    ] {
        assert_eq!(only(&read(&format!("up {text}")).unwrap()).1.to_bits(), value.to_bits(), "{text}");
    }
}

#[test]
fn times_are_told_by_their_size() {
    let time =
        |text: &str, format| only(&decode(format!("up 1 {text}").as_bytes(), format, &import("")).unwrap()).2;
    for (text, prometheus, open_metrics) in [
        ("1700000000123", 1_700_000_000_123, 1_700_000_000_123),
        ("1700000000123.9", 1_700_000_000_123, 1_700_000_000_123),
        ("1.7e12", 1_700_000_000_000, 1_700_000_000_000),
        ("1700000000", 1_700_000_000_000, 1_700_000_000_000),
        ("1795600744.039", 1_795_600_744_039, 1_795_600_744_039),
        ("-5", -5_000, -5_000),
        ("4000000000", 4_000_000_000, 4_000_000_000_000),
        ("0", NOW_MS, NOW_MS),
    ] {
        assert_eq!(time(text, Format::Prometheus), prometheus, "{text}");
        assert_eq!(time(text, Format::OpenMetrics), open_metrics, "{text}");
    }
    for bad in ["x", "NaN", "Inf", "1e300", "1_0"] {
        assert!(refused(&format!("up 1 {bad}")).ends_with("is no timestamp"), "{bad}");
    }
}

#[test]
fn arguments_give_time_and_labels() {
    let push = decode(
        b"up{job=\"own\"} 1",
        Format::Prometheus,
        &import("timestamp=1600000000000&extra_label=job=a&extra_label=zone=b"),
    );
    assert_eq!(only(&push.unwrap()), ("__name__=up;job=a;zone=b".into(), 1.0, 1_600_000_000_000));
}

#[test]
fn exemplars_go_on_with_their_sample() {
    let text = "h_bucket{le=\"1\"} 3 # {trace_id=\"a\",b=\"c\"} 0.5 1700000000.25\nh_bucket{le=\"2\"} 3 1600000000 # {} 1\n";
    let push = decode(text.as_bytes(), Format::OpenMetrics, &import("")).unwrap();
    assert_eq!((push.counts().samples, push.counts().exemplars), (2, 2));
    let mut section = Vec::new();
    wire::append_label(&mut section, b"b", b"c");
    wire::append_label(&mut section, b"trace_id", b"a");
    let mut wanted = Vec::new();
    wire::append_exemplar(&mut wanted, &section, 0.5, 1_700_000_000_250);
    let extras: Vec<_> = push.series().map(|series| series.extras).collect();
    assert_eq!(extras[0], wanted);
    wanted.clear();
    wire::append_exemplar(&mut wanted, &[], 1.0, 1_600_000_000_000);
    assert_eq!(extras[1], wanted);
    let mut sent = Vec::new();
    wire::encode(&push, &mut sent);
    assert_eq!(wire::decode(sent).unwrap(), push, "they are well formed");
}

#[test]
fn a_bad_line_refuses_the_request_by_its_number() {
    for (bad, what) in [
        ("up", "the value is missing"),
        ("up{a=\"b\"}", "the value is missing"),
        ("up x", "x is no number"),
        ("up 0x10", "0x10 is no number"),
        ("up 1_000", "1_000 is no number"),
        ("up 1e999", "1e999 is out of range"),
        ("up 1 2 3", "3 stands behind the sample"),
        ("up 1 # note", "in the exemplar, { is missing"),
        ("up 1 # {a=\"b\"}", "in the exemplar, the value is missing"),
        ("up 1 # {a=\"b\",a=\"c\"} 1", "in the exemplar, label a stands there twice"),
        ("up 1 # {\"a\"} 1", "in the exemplar, label a has no value"),
        ("up{a=\"b\" c=\"d\"} 1", "a , or a } is missing behind a label"),
        ("up{a=\"b} 1", "in the value of label a, the closing \" is missing"),
        ("up{a=\"b\\", "in the value of label a, the closing \" is missing"),
        ("up{a=b} 1", "in the value of label a, a \" is missing"),
        ("up{,a=\"b\"} 1", "the name of a label is missing"),
        ("up{=\"b\"} 1", "the name of a label is missing"),
        ("up{a b=\"b\"} 1", "a b is no name of a label"),
        ("up{a} 1", "label a has no value"),
        ("up{\"a\"} 1", "label a has no value"),
        ("up{a=\"b\"", "a , or a } is missing behind a label"),
        ("up{a=\"b\",", "the name of a label is missing"),
        ("up{\"\"=\"b\"} 1", "a label has no name"),
        ("up{a=\"b\",a=\"c\"} 1", "label a stands there twice"),
        ("up{__name__=\"b\"} 1", "label __name__ stands there twice"),
        ("{a=\"b\"} 1", "the metric has no name"),
        ("{\"\"} 1", "the metric has no name"),
        ("up=1 1", "up=1 is no name of a metric"),
    ] {
        assert_eq!(refused(&format!("a 1\n\r\n{bad}\nb 2\n")), format!("line 3: {what}"), "{bad}");
    }
    let refused = decode(b"a 1\nup{a=\"\xff\"} 1", Format::Prometheus, &import(""));
    assert_eq!(refused, Err(Refusal::Bad("line 2: it is no UTF-8 from its byte 7 on".into())));
}

#[test]
fn a_body_made_to_fill_memory_is_refused() {
    let text = refused(&"a 1\n".repeat(10_000));
    assert_eq!(text, "line 3525: too many lines for the size of the body");
    let mut import = import(&format!("extra_label=a={}", "x".repeat(1_000)));
    import.limits = Limits::of_bytes(10_000);
    let refused = decode("a 1\n".repeat(100).as_bytes(), Format::Prometheus, &import);
    assert!(matches!(refused, Err(Refusal::TooLarge(_))), "{refused:?}");
}

#[test]
fn the_format_is_what_the_content_type_says() {
    let of = |text: &str| Format::of(Some(text.as_bytes()));
    assert_eq!(of("application/OpenMetrics-text; version=1.0.0; charset=utf-8"), Ok(Format::OpenMetrics));
    assert_eq!(of("text/plain; version=0.0.4"), Ok(Format::Prometheus));
    assert_eq!(Format::of(None), Ok(Format::Prometheus));
    let refused = of("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily");
    assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{refused:?}");
}

/// A series with one sample, as a client library would have it.
type Sampled = (String, BTreeMap<String, String>, f64, Option<i64>);

fn sampled() -> impl Strategy<Value = Sampled> {
    let labels = prop::collection::btree_map("[a-z][a-z0-9_]{0,6}", ".{0,8}|[\\\\\"\n}# ,]{0,6}", 0..5);
    let value = prop_oneof![any::<f64>(), Just(f64::INFINITY), Just(0.0), Just(-0.0)]
        .prop_map(|value| if value.is_nan() { f64::NAN } else { value });
    let time = proptest::option::of(prop_oneof![1i64 << 31..1 << 42, i64::MIN..-(1i64 << 31)]);
    ("[a-zA-Z_:][a-zA-Z0-9_:]{0,9}", labels, value, time)
}

fn written(series: &[Sampled]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let lines = series.iter().map(|(name, labels, value, time)| {
        let labels: Vec<_> =
            labels.iter().rev().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let time = time.map(|time| format!(" {time}")).unwrap_or_default();
        format!("# TYPE {name} gauge\n{name}{{{}}} {value:?}{time}\n", labels.join(","))
    });
    lines.collect()
}

fn expected(series: &[Sampled]) -> Push {
    let mut push = PushBuilder::default();
    for (name, labels, value, time) in series {
        let mut labels = labels.clone();
        labels.insert("__name__".into(), name.clone());
        let section = push.store_with(|out| {
            labels
                .iter()
                .for_each(|(name, value)| wire::append_label(out, name.as_bytes(), value.as_bytes()));
        });
        push.sample(Sample { value: *value, timestamp: time.unwrap_or(NOW_MS) });
        push.series(section, Span::default());
    }
    push.finish()
}

proptest! {
    #[test]
    fn what_is_written_is_read(series in prop::collection::vec(sampled(), 0..12)) {
        let text = written(&series);
        prop_assert_eq!(read(&text), Ok(expected(&series)));
        prop_assert_eq!(read(text.trim_end_matches('\n')), Ok(expected(&series)));
    }

    #[test]
    fn a_bad_line_is_named_wherever_it_stands(
        series in prop::collection::vec(sampled(), 0..6), bad in "[a-z]{1,5}(\\{[a-z]=\"[a-z]?)?", at in 0..6usize,
    ) {
        let at = at.min(series.len());
        let text = format!("{}{bad}\n{}", written(&series[..at]), written(&series[at..]));
        let what = refused(&text);
        let place = format!("line {}: ", 2 * at + 1);
        prop_assert!(what.starts_with(&place), "{}: {}", place, what);
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&body, Format::Prometheus, &import(""));
    }

    #[test]
    fn no_text_like_it_makes_it_panic(text in "([a#{}\"=,\\\\ \tn1.é-]|\n){0,60}") {
        if let Ok(push) = decode(text.as_bytes(), Format::OpenMetrics, &import("extra_label=a=b")) {
            let mut sent = Vec::new();
            wire::encode(&push, &mut sent);
            prop_assert_eq!(wire::decode(sent), Ok(push));
        }
    }
}
