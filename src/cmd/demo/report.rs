//! The verdict, as a table.

use super::Back;
use super::delivery::{Delivery, Wire};
use super::side::Checked;
use crate::harness::{Usage, Verdict};
use crate::status::{UpstreamStatus, human};
use comfy_table::{Table, presets};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    /// What the verdict stands on.
    pub(super) checked: Checked,
    /// The agent's own account at the end.
    pub(super) status: UpstreamStatus,
    /// From kill -9 until ready.
    pub(super) restart: Duration,
    /// Tries of pushes beyond their first.
    pub(super) retries: u64,
    pub(super) disk: Disk,
    /// Delivery in the steady flow.
    pub(super) steady: Delivery,
    pub(super) back: Back,
    pub(super) usage: Usage,
    /// The end of the agent's log.
    pub(super) log: String,
}

/// The backlog at the end of the outage.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) samples: u64,
    /// What the queue counts for it.
    pub(super) queue_bytes: u64,
    /// Space that the demo's folder takes.
    pub(super) folder_bytes: u64,
}

impl Report {
    /// True where all that was answered arrived, in order, and nothing else did, as far as it was checked.
    fn is_good(&self) -> bool {
        let status = &self.status;
        let by_the_agent =
            status.backlog_records == 0 && status.samples_dropped == 0 && status.samples_rejected == 0;
        let by_the_ledger = self.checked == Checked::Nothing || self.verdict.is_clean();
        self.back.caught_up.is_some() && by_the_agent && by_the_ledger
    }

    fn rows(&self) -> Vec<[String; 2]> {
        let verdict = &self.verdict;
        let mut rows = vec![
            row("samples pushed", human::count(verdict.pushed)),
            row("samples answered with 204", human::count(verdict.answered)),
        ];
        match self.checked {
            Checked::Nothing => rows.push(row(
                "arrivals",
                "not checked: the server exports nothing; the agent's own account follows".into(),
            )),
            Checked::Arrivals | Checked::Export => rows.extend([
                row("samples delivered", human::count(verdict.delivered)),
                row("lost: answered, not delivered", human::count(verdict.lost)),
                row("out of order", self.out_of_order()),
                row("never pushed, yet delivered", human::count(verdict.made_up)),
                row("duplicates: what the upstream might have lost, again", human::count(verdict.duplicates)),
            ]),
        }
        rows.extend([
            row("dropped or rejected, by the agent's account", self.not_sent()),
            row("held by the agent at the end", human::count(self.status.backlog_samples)),
            row("tries that had to be repeated", human::count(self.retries)),
            row("ready again after kill -9", seconds(Some(self.restart))),
            row("held when the upstream came back", human::count(self.back.held)),
            row("first delivery after", seconds(self.back.first)),
            row("caught up after", seconds(self.back.caught_up.as_ref().map(|up| up.after))),
            row("bytes a sample in the queue", ratio(self.disk.queue_bytes, self.disk.samples)),
            row("disk taken at the end of the outage", human::bytes(self.disk.folder_bytes)),
            row("bytes a sample on the wire, steady", wire(Some(self.steady.wire))),
            row("bytes a sample on the wire, catch-up", wire(self.back.caught_up.as_ref().map(|up| up.wire))),
            row("agent's memory at most", human::bytes(self.usage.peak_bytes)),
            row("agent's CPU time", format!("{:.1} s", self.usage.cpu.as_secs_f64())),
        ]);
        rows
    }

    fn out_of_order(&self) -> String {
        match self.checked {
            Checked::Export => "not checked: a database shows samples sorted".into(),
            Checked::Arrivals | Checked::Nothing => human::count(self.verdict.out_of_order),
        }
    }

    fn not_sent(&self) -> String {
        human::count(self.status.samples_dropped.saturating_add(self.status.samples_rejected))
    }

    fn conclusion(&self) -> &'static str {
        match (self.is_good(), self.checked) {
            (false, _) => "FAILED: see the table",
            (true, Checked::Arrivals) => "all that was answered arrived, in order, and nothing else",
            (true, Checked::Export) => "all that was answered is in the database, and nothing else",
            (true, Checked::Nothing) => "the agent delivered all it had answered, by its own account",
        }
    }
}

/// Prints the table and returns the exit status.
pub(super) fn print(report: &Report) -> ExitCode {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.add_rows(report.rows());
    // A reader that has gone away is no failure of the agent.
    let _ = writeln!(std::io::stdout(), "{table}\n{}", report.conclusion());
    if report.is_good() {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stdout(), "the end of the agent's log:\n{}", report.log);
    ExitCode::FAILURE
}

fn row(name: &str, value: String) -> [String; 2] {
    [name.to_owned(), value]
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

fn wire(wire: Option<Wire>) -> String {
    wire.map_or_else(|| "not measured".to_owned(), |wire| ratio(wire.bytes, wire.samples))
}

fn ratio(bytes: u64, samples: u64) -> String {
    if samples == 0 { "not measured".to_owned() } else { format!("{:.2}", bytes as f64 / samples as f64) }
}

#[cfg(test)]
mod tests {
    use super::super::CaughtUp;
    use super::*;

    fn report() -> Report {
        let wire = Wire { samples: 1_000, bytes: 2_500 };
        let mut status = crate::status::sample().upstreams.remove(0);
        (status.backlog_records, status.backlog_samples) = (0, 0);
        Report {
            verdict: Verdict { pushed: 1_200, answered: 1_100, delivered: 1_150, ..Verdict::default() },
            checked: Checked::Arrivals,
            status,
            restart: Duration::from_millis(1_234),
            retries: 3,
            disk: Disk { samples: 500, queue_bytes: 650, folder_bytes: 1 << 20 },
            steady: Delivery { samples: 0, held: 0, wire: Wire { samples: 0, bytes: 0 } },
            back: Back {
                held: 500,
                first: Some(Duration::from_millis(250)),
                caught_up: Some(CaughtUp { after: Duration::from_secs(2), wire }),
            },
            usage: Usage { cpu: Duration::from_secs(3), peak_bytes: 2 << 20, ..Usage::default() },
            log: String::new(),
        }
    }

    fn value(report: &Report, name: &str) -> Option<String> {
        report.rows().into_iter().find_map(|[key, value]| (key == name).then_some(value))
    }

    #[test]
    fn figures_stand_with_their_units() {
        let report = report();
        for (name, expected) in [
            ("samples pushed", "1,200"),
            ("first delivery after", "0.25 s"),
            ("ready again after kill -9", "1.23 s"),
            ("bytes a sample in the queue", "1.30"),
            ("bytes a sample on the wire, steady", "not measured"),
            ("bytes a sample on the wire, catch-up", "2.50"),
            ("agent's memory at most", "2.0 MiB"),
        ] {
            assert_eq!(value(&report, name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn duplicates_are_no_failure_and_each_other_fault_is_one() {
        let mut good = report();
        good.verdict.duplicates = 7;
        assert!(good.is_good());
        let faults: [fn(&mut Report); 7] = [
            |report| report.verdict.lost = 1,
            |report| report.verdict.out_of_order = 1,
            |report| report.verdict.made_up = 1,
            |report| report.back.caught_up = None,
            |report| report.status.backlog_records = 1,
            |report| report.status.samples_dropped = 1,
            |report| report.status.samples_rejected = 1,
        ];
        for (number, fault) in faults.iter().enumerate() {
            let mut bad = report();
            fault(&mut bad);
            assert!(!bad.is_good(), "fault {number}");
        }
    }

    #[test]
    fn what_was_not_checked_is_not_claimed() {
        let mut report = report();
        report.checked = Checked::Export;
        assert!(value(&report, "out of order").is_some_and(|text| text.starts_with("not checked")));
        report.checked = Checked::Nothing;
        // Without arrivals the ledger holds everything for lost.
        report.verdict.lost = report.verdict.answered;
        assert!(report.is_good());
        assert_eq!(value(&report, "samples delivered"), None);
        assert!(report.conclusion().contains("by its own account"));
    }
}
