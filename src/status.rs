//! What `/api/v1/status` serves and `pmm-buffer status` prints: one shape, both ways.

pub mod human;

use serde::{Deserialize, Serialize};

/// The agent's state at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    /// Seconds since the process started.
    pub uptime_seconds: f64,
    /// None while pushes are accepted, else why they are not.
    pub unavailable: Option<String>,
    pub samples_accepted: u64,
    pub pushes_accepted: u64,
    pub pushes_refused: u64,
    /// Resident memory of the agent; none where it cannot be read.
    #[serde(default)]
    pub resident_bytes: Option<u64>,
    /// Free space of the file system that holds the queue; none where it cannot be read.
    #[serde(default)]
    pub disk_free_bytes: Option<u64>,
    /// What all dead letters take on disk.
    #[serde(default)]
    pub dead_letter_bytes: u64,
    pub queue: QueueStatus,
    pub upstreams: Vec<UpstreamStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueStatus {
    pub path: String,
    pub disk_bytes: u64,
    pub max_bytes: u64,
    /// Age of the oldest push that is answered and not synced: 0 with `queue.sync: always`.
    #[serde(default)]
    pub unsynced_seconds: f64,
    /// The chain of positions: `trimmed` is the first record kept, `next` the one to come.
    pub trimmed: u64,
    pub durable: u64,
    pub next: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    pub name: String,
    /// The endpoint in use, without credentials, query or fragment.
    pub url: String,
    /// Which of `urls` that is, from 1.
    #[serde(default)]
    pub url_number: usize,
    /// All endpoints, the one to use first; the others stand in for it.
    #[serde(default)]
    pub urls: Vec<String>,
    /// `pmm` or `prometheus`.
    pub kind: String,
    pub state: UpstreamState,
    pub acked: u64,
    pub backlog_records: u64,
    pub backlog_samples: u64,
    pub backlog_bytes: u64,
    /// Age of the oldest record not settled.
    pub backlog_seconds: f64,
    pub samples_sent: u64,
    pub samples_dropped: u64,
    pub samples_rejected: u64,
    /// Dead letters that are kept of it.
    #[serde(default)]
    pub dead_letters: u64,
    /// What went wrong last, in one line without secrets; none once a batch was settled after it.
    pub last_error: Option<String>,
    /// Its kind, as in `pmm_buffer_batches_retried_total`.
    #[serde(default)]
    pub last_reason: Option<String>,
    /// Seconds since the outage began, while there is one.
    pub outage_seconds: Option<f64>,
    /// Seconds until the next attempt, while waiting for one.
    pub retry_in_seconds: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamState {
    /// No attempt yet since the start.
    Unknown,
    /// The last attempt was settled.
    Up,
    /// The last attempt failed; it is being retried.
    Down,
}

/// Something that is not as it should be, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    pub to_do: String,
}

impl Status {
    /// True while pushes are accepted and no upstream is in an outage. Losses of the past are problems, and
    /// do not make an agent unhealthy now.
    pub fn is_healthy(&self) -> bool {
        self.unavailable.is_none() && self.upstreams.iter().all(|u| u.state != UpstreamState::Down)
    }

    /// What needs a person's attention, the most urgent first.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(why) = &self.unavailable {
            problems.push(Problem {
                what: format!("pushes are answered with 503: {why}"),
                to_do: format!(
                    "see the agent's log, and the free space and permissions of {}",
                    self.queue.path
                ),
            });
        }
        for upstream in &self.upstreams {
            upstream.problems(&mut problems);
        }
        self.queue.problems(self.disk_free_bytes, &mut problems);
        problems
    }
}

/// `last_reason` of an upstream that nothing says yet where it is.
pub const NO_URL: &str = "no_url";

impl UpstreamStatus {
    /// The upstream is down, and what to check first.
    fn away(&self) -> Problem {
        let (name, url) = (&self.name, &self.url);
        let (what, check) = match self.last_reason.as_deref() {
            Some("auth") => (
                format!("upstream {name} gets no data: its access is refused"),
                format!(
                    "check the credentials of its remote_write entry (basic_auth, authorization, oauth2 and their \
                     files, the client certificate) and what {url} lets them do; files are read again and tokens \
                     fetched anew for each attempt"
                ),
            ),
            Some(NO_URL) => (
                format!("nothing says yet where upstream {name} is"),
                "run `pmm-buffer pmm-agent install --restart` as root, or write `url` in the place of `pmm`"
                    .to_owned(),
            ),
            _ => (
                format!("upstream {name} is down"),
                format!("check that {url} is reachable from this host and takes its credentials"),
            ),
        };
        let then = if self.last_reason.as_deref() == Some(NO_URL) { "it is known" } else { "it is back" };
        let to_do = format!("{check}; what is accepted meanwhile is kept and sent when {then}");
        Problem { what, to_do }
    }

    fn problems(&self, problems: &mut Vec<Problem>) {
        let name = &self.name;
        if self.state == UpstreamState::Down {
            problems.push(self.away());
        }
        if let (Some(first), true) = (self.urls.first(), self.url_number > 1) {
            problems.push(Problem {
                what: format!("upstream {name} is sent to url {} of {}", self.url_number, self.urls.len()),
                to_do: format!("check {first}; delivery goes back to it by itself when it takes data"),
            });
        }
        if self.samples_rejected > 0 {
            problems.push(Problem {
                what: format!(
                    "upstream {name} refused {} samples for good since the start",
                    human::count(self.samples_rejected)
                ),
                to_do: "`pmm-buffer queue dead-letter list` shows what is kept of them with its answers, else see \
                        the agent's log"
                    .into(),
            });
        } else if self.dead_letters > 0 {
            problems.push(Problem {
                what: format!("{} dead letters are kept of upstream {name}", human::count(self.dead_letters)),
                to_do: "look at them with `pmm-buffer queue dead-letter list`, then `retry` or `purge` them"
                    .into(),
            });
        }
        if self.samples_dropped > 0 {
            problems.push(Problem {
                what: format!(
                    "{} samples for upstream {name} were dropped before delivery since the start",
                    human::count(self.samples_dropped)
                ),
                to_do: "see the agent's log for the reason; if it is queue.max_bytes, raise it".into(),
            });
        }
    }
}

impl QueueStatus {
    /// Share of `max_bytes` that is used, in percent.
    pub fn used_percent(&self) -> u64 {
        self.disk_bytes.saturating_mul(100) / self.max_bytes.max(1)
    }

    fn problems(&self, disk_free_bytes: Option<u64>, problems: &mut Vec<Problem>) {
        if self.used_percent() >= NEARLY_FULL_PERCENT {
            problems.push(Problem {
                what: format!("the queue takes {} % of queue.max_bytes", self.used_percent()),
                to_do: "raise queue.max_bytes, or bring the upstream back: beyond it the oldest samples are \
                        dropped"
                    .into(),
            });
        }
        let room = self.max_bytes.saturating_sub(self.disk_bytes);
        if let Some(free) = disk_free_bytes.filter(|free| *free < room) {
            problems.push(Problem {
                what: format!(
                    "the disk has {} free, less than the {} that the queue may still take",
                    human::bytes(free),
                    human::bytes(room)
                ),
                to_do: format!("free space on the file system of {}, or lower queue.max_bytes", self.path),
            });
        }
    }
}

/// From this share of `max_bytes` on, a full queue is a problem worth a warning.
const NEARLY_FULL_PERCENT: u64 = 80;

/// An agent in an outage, for tests.
#[cfg(test)]
pub(crate) fn sample() -> Status {
    Status {
        version: "0.1.0".into(),
        uptime_seconds: 93_784.0,
        unavailable: None,
        samples_accepted: 31_104_000,
        pushes_accepted: 18_720,
        pushes_refused: 3,
        resident_bytes: Some(48 << 20),
        disk_free_bytes: Some(40 << 30),
        dead_letter_bytes: 0,
        queue: QueueStatus {
            path: "/var/lib/pmm-buffer/queue".into(),
            disk_bytes: 100 << 20,
            max_bytes: 1 << 30,
            unsynced_seconds: 0.0,
            trimmed: 10,
            durable: 120,
            next: 121,
        },
        upstreams: vec![UpstreamStatus {
            name: "pmm".into(),
            url: "https://pmm.example.com/victoriametrics/api/v1/write".into(),
            url_number: 1,
            urls: vec!["https://pmm.example.com/victoriametrics/api/v1/write".into()],
            kind: "pmm".into(),
            state: UpstreamState::Down,
            acked: 20,
            backlog_records: 100,
            backlog_samples: 1_234_567,
            backlog_bytes: 3 << 20,
            backlog_seconds: 3_725.0,
            samples_sent: 29_869_433,
            samples_dropped: 0,
            samples_rejected: 0,
            dead_letters: 0,
            last_error: Some("cannot connect: connection refused".into()),
            last_reason: Some("connect".into()),
            outage_seconds: Some(3_720.0),
            retry_in_seconds: Some(3.2),
        }],
    }
}
