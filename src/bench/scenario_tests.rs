use super::*;
use crate::harness::Format;
use proptest::prelude::*;

fn error(text: &str) -> String {
    Scenario::parse("mine", "mine.yml", text).expect_err("it has an error").to_string()
}

fn seconds(seconds: u64) -> Time {
    Time(Duration::from_secs(seconds))
}

#[test]
fn each_one_that_is_built_in_is_read_and_says_what_it_is_about() {
    let names: Vec<String> = Scenario::built_in().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), BUILT_IN.len());
    for scenario in Scenario::built_in() {
        assert!(scenario.about.ends_with('.'), "{}", scenario.about);
        assert_eq!(Scenario::find(&scenario.name).expect("built in"), scenario);
        assert!(scenario.length() < Duration::from_secs(30), "{} is long", scenario.name);
    }
}

#[test]
fn those_of_the_folder_are_those_that_are_built_in() {
    let folder =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/scenarios")).expect("it is there");
    let mut files: Vec<String> =
        folder.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    let mut known = BUILT_IN.map(|(name, _)| format!("{name}.yml"));
    files.sort();
    known.sort();
    assert_eq!(files, known);
}

#[test]
fn the_annotated_example_of_the_docs_is_read_and_has_every_key() {
    let docs = include_str!("../../docs/bench.md");
    let example =
        docs.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the first block");
    let scenario = Scenario::parse("docs", "docs", example).expect("it is good");
    assert_eq!((scenario.agents, scenario.loses), (2, Loses::Expected));
    for key in [
        "about",
        "agents",
        "max_bytes",
        "loses",
        "for",
        "until",
        "upstream",
        "agent",
        "profile",
        "replay",
        "hosts",
        "series",
        "interval",
        "speed",
        "rate",
        "producers",
        "format",
        "encoding",
        "churn",
    ] {
        assert!(example.contains(&format!("{key}:")), "{key} is not in the example");
    }
}

#[test]
fn what_is_played_is_written_as_it_was_read() {
    let text = "about: It.\nload: {hosts: 2, format: json, encoding: gzip, rate: max}\nagents: 2\nmax_bytes: 64MiB\n\
        loses: expected\nphases:\n- {name: a, for: 1s}\n- {name: b, for: 1m30s, upstream: {answer: {status: 503, retry_after: 2s}}}\n\
        - {name: c, until: current, for: 1s, upstream: {slow: 200ms}, agent: kill}\n";
    let scenario = Scenario::parse("mine", "mine.yml", text).expect("it is good");
    assert_eq!(
        (scenario.load.hosts, scenario.load.format, scenario.max_bytes),
        (2, Format::Json, Some(Size(64 << 20)))
    );
    assert_eq!(scenario.length(), Duration::from_secs(92));
    let again = Scenario::parse("mine", "again", &scenario.text()).expect("it is good");
    assert_eq!(again, scenario, "{}", scenario.text());
    for built_in in Scenario::built_in() {
        assert_eq!(Scenario::parse(&built_in.name, "again", &built_in.text()).expect("it is good"), built_in);
    }
}

#[test]
fn an_error_names_the_line_and_what_may_stand_there() {
    let phase = "about: It.\nphases:\n  - {name: a, for: 1s}\n";
    for (text, expected) in [
        ("about: It.\nphase: []\n", "mine.yml:2:1: there is no key phase; known here: about, load"),
        (
            "about: It.\nload:\n  host: 3\nphases: [{name: a, for: 1s}]\n",
            "mine.yml:3:3: there is no key host; known here: profile",
        ),
        (
            "about: It.\nload: {hosts: 0}\nphases: [{name: a, for: 1s}]\n",
            "mine.yml:2:7: hosts: 0 is not from 1 to",
        ),
        ("about: It.\nload: {hosts: many}\nphases: [{name: a, for: 1s}]\n", "mine.yml:2:15: "),
        (
            "about: It.\nload: {profile: oracle}\nphases: [{name: a, for: 1s}]\n",
            "mine.yml:2:17: there is no load profile `oracle`",
        ),
        (
            "about: It.\nload: {format: text, encoding: lz4}\nphases: []\n",
            "mine.yml:2:32: there is no encoding `lz4`",
        ),
        ("about: It.\nload: {speed: 2, rate: max}\nphases: []\n", "mine.yml:2:7: speed and rate both say"),
        ("about: It.\nphases: []\n", "phases: there has to be one"),
        ("about: It.\n", "phases is missing"),
        (
            "about: It.\nphases:\n  - {name: a, for: soon}\n",
            "mine.yml:3:20: \"soon\" is no time: write one as in",
        ),
        ("about: It.\nphases:\n  - {name: a, for: 5}\n", "mine.yml:3:20: \"5\" is no time: write one as in"),
        ("about: It.\nphases:\n  - {name: a}\n", "mine.yml:3:5: the phase \"a\" has no end: write `for: 8s`"),
        (
            "about: It.\nphases:\n  - {name: a, for: 1s, upstream: away}\n",
            "mine.yml:3:34: away is not known here: write one of up, down",
        ),
        (
            "about: It.\nphases:\n  - {name: a, for: 1s, upstream: {answer: {status: 204}}}\n",
            "204 is no refusal",
        ),
        (
            "about: It.\nphases:\n  - {name: a, until: current, upstream: down}\n",
            "its upstream takes nothing",
        ),
        (
            &format!("{phase}  - {{name: b, for: 1s, agent: start}}\n"),
            "the phase \"b\" starts an agent that runs",
        ),
        (
            &format!("{phase}  - {{name: b, for: 1s, agent: stop}}\n  - {{name: c, for: 1s, agent: kill}}\n"),
            "stopped before the phase \"c\"",
        ),
        (
            &format!("{phase}  - {{name: b, until: current, agent: stop}}\n"),
            "the phase \"b\" would never end",
        ),
        ("about: It.\nmax_bytes: much\nphases: []\n", "mine.yml:2:12: \"much\" is no size"),
        ("about: It.\nabout: That.\n", "about stands twice"),
        ("- a\n", "mine.yml:1:1: "),
        ("", "mine.yml"),
    ] {
        let error = error(text);
        assert!(error.starts_with("mine.yml") && error.contains(expected), "{text}\n{error}\n{expected}");
    }
}

#[test]
fn a_name_that_is_not_known_says_where_names_and_files_are_told() {
    let error = Scenario::find("stedy").expect_err("there is none").to_string();
    assert!(error.contains("bench list") && error.contains("./stedy.yml"), "{error}");
    let error = format!("{:#}", Scenario::find("./no-such.yml").expect_err("there is none"));
    assert!(error.contains("cannot read ./no-such.yml: No such file"), "{error}");
}

#[test]
fn what_a_scenario_needs_follows_from_its_phases() {
    let needs = |name| {
        let Needs { upstream, process } = Scenario::find(name).expect("built in").needs();
        (upstream, process)
    };
    assert_eq!(needs("steady"), (false, false));
    assert_eq!(needs("outage"), (true, false));
    assert_eq!(needs("kill"), (true, true));
    assert_eq!(needs("storm"), (true, true));
}

#[test]
fn a_length_takes_the_place_of_those_there_are() {
    let scenario = Scenario::find("outage").expect("built in").lasting(seconds(1));
    let lengths: Vec<Option<Time>> = scenario.phases.iter().map(|phase| phase.length).collect();
    assert_eq!(lengths, [Some(seconds(1)), Some(seconds(1)), None]);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(about|load|phases|name|for|upstream|[{}:,\\[\\] \n'\"a-z0-9]){0,40}") {
        let _ = Scenario::parse("mine", "mine.yml", &text);
    }

    #[test]
    fn phases_are_written_as_they_were_read(
        phases in prop::collection::vec((1u64..100_000, "[a-z #:'\"-]{1,12}", 0usize..10), 1..6),
    ) {
        let phase = |(ms, name, upstream): (u64, String, usize)| {
            let time = Time(Duration::from_millis(ms));
            let upstreams = [
                Upstream::Up, Upstream::Down, Upstream::Slow(time), Upstream::Reset, Upstream::LoseAnswer, Upstream::Hang,
                Upstream::Poison(name.clone()),
                Upstream::PoisonPercent(0.5),
                Upstream::Narrow(Size(ms << 10)),
                Upstream::Answer(Answer { status: 429, retry_after: Some(time) }),
            ];
            Phase { name, length: Some(time), until: None, upstream: upstreams[upstream].clone(), agent: None }
        };
        let steady = Scenario::find("steady").expect("built in");
        let scenario = Scenario { phases: phases.into_iter().map(phase).collect(), ..steady };
        let again = Scenario::parse("steady", "again", &scenario.text());
        prop_assert_eq!(again.map_err(|error| error.to_string()), Ok(scenario.clone()), "{}", scenario.text());
    }
}
