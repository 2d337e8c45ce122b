//! `bench compare` on real peers.

use crate::bench::{assert_clean, bench, figure, folder};
use pmm_buffer::bench::outcome::Figure;

#[tokio::test]
async fn vmagent_and_prometheus_are_measured_in_turn_with_us() {
    let folder = folder();
    let args = ["compare", "steady", "outage", "--with", "vmagent", "prometheus-agent", "--rounds", "2"];
    let (ran, report) = bench(folder.path(), &args).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.err, ran.out);
    let report = report.expect("written");
    assert_eq!(report.scenarios.len(), 2);
    for played in &report.scenarios {
        let order: Vec<&str> = played.runs.iter().map(|run| run.contender.as_str()).collect();
        assert_eq!(order, ["pmm-buffer", "vmagent", "prometheus-agent"].repeat(2));
        for run in &played.runs {
            // Both deliver all where nobody is killed.
            assert_clean(run);
            assert!(figure(run, Figure::PeakBytes) > 0.0 && figure(run, Figure::WireBytes) > 0.0);
        }
    }
    assert!(ran.out.contains("samples lost") && ran.out.contains("vmagent"), "{}", ran.out);
}
