use super::*;
use crate::bench::contender::Contender;
use crate::bench::target::Target;
use std::collections::BTreeMap;
use std::net::SocketAddr;

fn plan(scenario: &str, subjects: Vec<Subject>) -> Plan {
    let scenarios = vec![Scenario::find(scenario).expect("built in")];
    Plan { scenarios, subjects, rounds: 1, folder: std::env::temp_dir() }
}

async fn running(upstream: Option<SocketAddr>) -> Subject {
    Subject::Running { target: Target::find("http://127.0.0.1:9").await.expect("loopback"), upstream }
}

fn contender(name: &str) -> Subject {
    let contender = Contender::find(name).expect("it is there");
    Subject::Started { contender, version: None }
}

fn run(contender: &str, figures: &[(Figure, f64)], failure: Option<&str>) -> Run {
    Run {
        contender: contender.into(),
        version: None,
        round: 1,
        figures: figures.iter().copied().collect::<BTreeMap<_, _>>(),
        phases: Vec::new(),
        moments: Vec::new(),
        failure: failure.map(str::to_owned),
        worst: Vec::new(),
    }
}

fn report(runs: Vec<Run>) -> Report {
    let played = Played {
        scenario: String::new(),
        about: String::new(),
        text: String::new(),
        loss_expected: false,
        runs,
    };
    Report { version: VERSION, began: moment(0), host: host(&std::env::temp_dir()), scenarios: vec![played] }
}

#[tokio::test]
async fn what_cannot_be_done_to_a_running_agent_is_refused_with_the_reason() {
    let error = |plan: Plan| plan.check().expect_err("it cannot be").to_string();
    assert!(error(plan("outage", vec![running(None).await])).contains("--upstream-listen"));
    let listen = Some(([127, 0, 0, 1], 7).into());
    assert!(error(plan("kill", vec![running(listen).await])).contains("leave --target out"));
    for (name, upstream) in [("steady", None), ("outage", listen)] {
        plan(name, vec![running(upstream).await]).check().expect("it can be");
    }
}

#[test]
fn a_program_whose_queue_cannot_be_bounded_is_not_measured_with_a_bounded_one() {
    let mut bounded = plan("full-queue", vec![contender("pmm-buffer")]);
    bounded.check().expect("ours can be bounded");
    bounded.subjects = vec![contender("prometheus-agent=/bin/sh")];
    let error = bounded.check().expect_err("it cannot be").to_string();
    assert!(error.contains("args_when_bounded") && error.contains("prometheus-agent"), "{error}");
}

#[test]
fn what_others_lose_is_a_figure_and_what_we_lose_is_a_fault() {
    let subjects = || vec![contender("pmm-buffer"), contender("vmagent=/bin/sh")];
    let lost = [(Figure::Lost, 1.0)];
    let plan_of = |scenario| plan(scenario, subjects());
    let theirs =
        report(vec![run("pmm-buffer", &[(Figure::Lost, 0.0)], None), run("vmagent=/bin/sh", &lost, None)]);
    assert_eq!(plan_of("outage").faults(&theirs), Vec::<String>::new());
    let ours = report(vec![run("pmm-buffer", &lost, None)]);
    assert!(plan_of("outage").faults(&ours)[0].starts_with("outage on pmm-buffer, round 1: not all"));
    assert_eq!(plan_of("full-queue").faults(&ours), Vec::<String>::new(), "it is expected there");
    let mut named = ours.clone();
    named.scenarios[0].runs[0].worst =
        vec![Worst { series: "up{}".into(), lost: 1, out_of_order: 0, made_up: 0 }];
    let fault = &plan_of("outage").faults(&named)[0];
    assert!(fault.ends_with("\n  up{}: 1 lost, 0 out of order, 0 made up"), "{fault}");
    for figure in [Figure::OutOfOrder, Figure::MadeUp] {
        let ours = report(vec![run("pmm-buffer", &[(figure, 1.0)], None)]);
        assert_eq!(plan_of("full-queue").faults(&ours).len(), 1, "{figure:?}");
    }
    let broken = report(vec![run("vmagent=/bin/sh", &[], Some("it ended"))]);
    assert_eq!(plan_of("outage").faults(&broken), ["outage on vmagent=/bin/sh, round 1: it ended"]);
}

#[test]
fn moments_are_written_in_utc() {
    assert_eq!(moment(1_767_225_600_999), "2026-01-01T00:00:00Z");
}
