//! Reports for tests.

use crate::bench::outcome::{Figure, Host, Moment, Phase, Played, Report, Run, VERSION, Worst};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

fn host() -> Host {
    Host {
        cpu: "AMD EPYC 7B13".into(),
        cores: 2,
        memory_bytes: 8 << 30,
        kernel: "6.1.0".into(),
        file_system: "ext4".into(),
    }
}

/// One scenario, one round each of pmm-buffer and vmagent, which lost samples and broke off.
pub(super) fn small() -> Report {
    let moment = Moment {
        at_s: 0.1,
        answered: 1_000,
        delivered: 900,
        backlog: 100,
        wire_bytes: 2_050,
        cpu_s: 0.05,
        resident_bytes: 22 << 20,
        disk_bytes: 1_310,
        answer_p50_ms: Some(0.75),
        answer_p99_ms: None,
    };
    let run = |contender: &str, lost: f64, failure: Option<&str>| Run {
        contender: contender.into(),
        version: Some("1.0".into()),
        round: 1,
        figures: [(Figure::SamplesPerSecond, 10_000.5), (Figure::Lost, lost)].into(),
        phases: vec![Phase { name: "steady".into(), at_s: 0.0 }],
        moments: vec![moment.clone()],
        failure: failure.map(Into::into),
        worst: worst(lost as u64),
    };
    Report {
        version: VERSION,
        began: "2026-01-01T00:00:00Z".into(),
        host: host(),
        scenarios: vec![Played {
            scenario: "outage".into(),
            about: "The upstream is away for a minute.".into(),
            text: "about: The upstream is away for a minute.\nphases:\n  - for: 60s\n".into(),
            loss_expected: false,
            runs: vec![run("pmm-buffer", 0.0, None), run("vmagent", 154.0, Some("it ended with status 1"))],
        }],
    }
}

fn worst(lost: u64) -> Vec<Worst> {
    let worst = Worst { series: "up{job=\"a\"}".into(), lost, out_of_order: 0, made_up: 0 };
    if lost > 0 { vec![worst] } else { Vec::new() }
}

/// An outage of a third of the time, three rounds each, with a story that looks like a real one.
pub(super) fn outage(contenders: &[&str]) -> Report {
    let runs = (1..=3).flat_map(|round| {
        contenders.iter().enumerate().map(move |(number, name)| a_round(name, number as f64, round))
    });
    let mut report = small();
    report.scenarios[0].runs = runs.collect();
    report
}

/// `slow` is 0 for a contender that is quick.
fn a_round(contender: &str, slow: f64, round: usize) -> Run {
    const RATE: f64 = 50_000.0;
    let noise = 1.0 + (round as f64 - 2.0) / 20.0 * (1.0 + slow);
    let length = 60.0 + slow * 6.0 + noise;
    let caught_up = 40.0 + (1.0 + slow * 6.0) * noise;
    let delivered = |at: f64| match at {
        ..20.0 => at * RATE,
        20.0..40.0 => 20.0 * RATE,
        at if at < caught_up => 20.0 * RATE + (at - 40.0) / (caught_up - 40.0) * (caught_up - 20.0) * RATE,
        at => at * RATE,
    };
    let moment = |tenth: usize| {
        let at_s = tenth as f64 / 10.0;
        let answered = (at_s * RATE) as u64;
        let delivered = (delivered(at_s) as u64).min(answered);
        let ripple = 1.0 + (at_s * 7.0).sin() / 8.0;
        let away = (20.0..42.0).contains(&at_s);
        Moment {
            at_s,
            answered,
            delivered,
            backlog: answered - delivered,
            wire_bytes: delivered * 2,
            cpu_s: at_s * 0.05 * (1.0 + slow * 3.0) * noise,
            resident_bytes: ((20.0 + 30.0 * slow + f64::from(u8::from(away)) * 8.0) * ripple * 1_048_576.0)
                as u64,
            disk_bytes: (answered - delivered) * (1 + slow as u64 * 9),
            answer_p50_ms: (!(30.0..31.0).contains(&at_s)).then_some((0.6 + slow) * ripple * noise),
            answer_p99_ms: (!(30.0..31.0).contains(&at_s))
                .then_some(if away { 400.0 * ripple } else { 4.0 * ripple * noise } * (1.0 + slow)),
        }
    };
    let figures = [
        (Figure::SamplesPerSecond, RATE * noise),
        (Figure::CatchUpPerSecond, 848_000.0 * noise / (1.0 + slow)),
        (Figure::CpuMicros, 1.0 * noise * (1.0 + slow * 1.6)),
        (Figure::CpuMicrosSteady, 0.9 * noise * (1.0 + slow * 1.7)),
        (Figure::ResidentBytes, (20.0 + 30.0 * slow) * noise * 1_048_576.0),
        (Figure::PeakBytes, (28.0 + 30.0 * slow) * noise * 1_048_576.0),
        (Figure::WrittenBytes, 1.4 * noise + 12.0 * slow),
        (Figure::DiskBytes, 1.3 * noise + 14.0 * slow),
        (Figure::WireBytes, 2.1 * noise + 12.0 * slow),
        (Figure::AnswerP50Ms, 0.6 * noise + slow),
        (Figure::AnswerP99Ms, 4.1 * noise),
        (Figure::AnswerP999Ms, 9.0 * noise),
        (Figure::FirstDeliveryS, 0.6 * noise + 6.3 * slow),
        (Figure::CurrentS, caught_up - 40.0),
        (Figure::Lost, (slow * 77.0 * (round as f64 - 1.0)).floor()),
        (Figure::Duplicates, 1_000.0),
        (Figure::OutOfOrder, 0.0),
        (Figure::MadeUp, 0.0),
        (Figure::Retries, round as f64),
    ];
    let phase = |name: &str, at_s| Phase { name: name.into(), at_s };
    Run {
        contender: contender.into(),
        version: Some("1.0".into()),
        round,
        figures: figures.into(),
        phases: vec![
            phase("steady", 0.0),
            phase("upstream down", 20.0),
            phase("back", 40.0),
            phase("drain", length - 4.0),
        ],
        moments: (1..(length * 10.0) as usize).map(moment).collect(),
        failure: None,
        worst: Vec::new(),
    }
}

/// Any report that can be written: texts with anything in them, and numbers that no run would have.
pub(super) fn any_report() -> impl Strategy<Value = Report> {
    let host = (text(), 0..1_000_usize, any::<u64>(), text(), text()).prop_map(
        |(cpu, cores, memory_bytes, kernel, file_system)| Host {
            cpu,
            cores,
            memory_bytes,
            kernel,
            file_system,
        },
    );
    (text(), host, vec(played(), 0..3)).prop_map(|(began, host, scenarios)| Report {
        version: VERSION,
        began,
        host,
        scenarios,
    })
}

/// Short, with what HTML, terminals and JSON take for something else in one of three.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        ".{0,20}",
        Just("<script>alert(1)</script><img src=http://a/b onerror='x'>\"&\u{1b}[2J\n".to_owned()),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1e6,
        any::<f64>().prop_filter("JSON has no others", |value| value.is_finite()),
        Just(0.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE)
    ]
}

fn played() -> impl Strategy<Value = Played> {
    (text(), text(), text(), vec(run(), 0..5)).prop_map(|(scenario, about, text, runs)| Played {
        scenario,
        about,
        text,
        loss_expected: false,
        runs,
    })
}

fn run() -> impl Strategy<Value = Run> {
    let figure = proptest::sample::select(Figure::ALL.to_vec());
    let phase = (text(), number()).prop_map(|(name, at_s)| Phase { name, at_s });
    let counts = proptest::prelude::any::<[u64; 3]>();
    let faulty = (text(), counts).prop_map(|(series, [lost, out_of_order, made_up])| Worst {
        series,
        lost,
        out_of_order,
        made_up,
    });
    (
        prop_oneof![Just("pmm-buffer".to_owned()), Just("vmagent".to_owned()), text()],
        option::of(text()),
        1..4_usize,
        btree_map(figure, number(), 0..8),
        vec(phase, 0..4),
        vec(moment(), 0..12),
        option::of(text()),
        vec(faulty, 0..3),
    )
        .prop_map(|(contender, version, round, figures, phases, moments, failure, worst)| Run {
            contender,
            version,
            round,
            figures,
            phases,
            moments,
            failure,
            worst,
        })
}

fn moment() -> impl Strategy<Value = Moment> {
    let counts = any::<[u64; 6]>();
    (number(), counts, number(), option::of(number()), option::of(number())).prop_map(
        |(at_s, counts, cpu_s, answer_p50_ms, answer_p99_ms)| {
            let [answered, delivered, backlog, wire_bytes, resident_bytes, disk_bytes] = counts;
            Moment {
                at_s,
                answered,
                delivered,
                backlog,
                wire_bytes,
                cpu_s,
                resident_bytes,
                disk_bytes,
                answer_p50_ms,
                answer_p99_ms,
            }
        },
    )
}
