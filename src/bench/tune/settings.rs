//! The settings that are tried, and how they stand in a configuration.

use std::fmt;

/// What differs from the defaults; none is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Settings {
    pub(super) batch: Option<Batch>,
    /// Of `max_memory`.
    pub(super) memory: Option<&'static str>,
    /// `queue.sync: interval`. It is measured, and never advised: it answers before the data is safe.
    pub(super) is_unsynced: bool,
}

/// How much one request carries, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    name: &'static str,
    max_bytes_per_send: &'static str,
    max_samples_per_send: u32,
}

/// A third of the default, for agents and servers that are short of memory.
const SMALL: Batch =
    Batch { name: "small batches", max_bytes_per_send: "3MiB", max_samples_per_send: 50_000 };
/// As much as PMM Server takes.
const LARGE: Batch =
    Batch { name: "large batches", max_bytes_per_send: "32MiB", max_samples_per_send: 500_000 };
/// Twice the default.
const MEMORY: &str = "460MiB";

impl Settings {
    /// The defaults, and each thing that is tried beside them.
    pub(super) fn screening() -> Vec<Self> {
        let mut all = vec![Self::default()];
        all.extend(Self::candidates());
        all.push(Self::unsynced());
        all
    }

    /// What may be advised. Of those that change the same thing, one at most.
    pub(super) fn candidates() -> [Self; 3] {
        let none = Self::default();
        [
            Self { batch: Some(SMALL), ..none },
            Self { batch: Some(LARGE), ..none },
            Self { memory: Some(MEMORY), ..none },
        ]
    }

    pub(super) fn unsynced() -> Self {
        Self { is_unsynced: true, ..Self::default() }
    }

    /// Both changes. None where they change the same thing.
    pub(super) fn with(self, other: Self) -> Option<Self> {
        if self.batch.is_some() && other.batch.is_some() || self.memory.is_some() && other.memory.is_some() {
            return None;
        }
        Some(Self {
            batch: self.batch.or(other.batch),
            memory: self.memory.or(other.memory),
            is_unsynced: self.is_unsynced || other.is_unsynced,
        })
    }

    /// The lines that stand for it in a configuration, each with its value before.
    pub(super) fn lines(&self) -> String {
        let mut out = String::new();
        if let Some(memory) = self.memory {
            out.push_str(&format!("max_memory: {memory}\n"));
        }
        if self.is_unsynced {
            out.push_str("queue:\n  sync: interval\n");
        }
        if let Some(batch) = self.batch {
            out.push_str(&format!("remote_write:\n  - # in each entry\n{}", batch.lines()));
        }
        out
    }

    /// A whole configuration with the placeholders of a profile. Waits are short: how soon the upstream is noticed is
    /// not what is measured.
    pub(super) fn config(&self) -> String {
        let Self { batch, .. } = self;
        let rest = Self { batch: None, ..*self }.lines();
        let batch_lines =
            batch.map(|batch| batch.lines()).unwrap_or_else(|| "    queue_config:\n".to_owned());
        format!(
            "listen: {{listen}}\ndata_dir: {{data}}\n{rest}remote_write:\n  - url: {{url}}\n{batch_lines}      \
             min_backoff: 50ms\n      max_backoff: 200ms\n"
        )
    }
}

impl Batch {
    fn lines(&self) -> String {
        let Self { max_bytes_per_send, max_samples_per_send, .. } = self;
        format!(
            "    max_bytes_per_send: {max_bytes_per_send}\n    queue_config:\n      \
             max_samples_per_send: {max_samples_per_send}\n"
        )
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.batch.map(|batch| batch.name.to_owned()),
            self.memory.map(|memory| format!("max_memory {memory}")),
            self.is_unsynced.then(|| "sync: interval".to_owned()),
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        f.write_str(&if words.is_empty() { "defaults".to_owned() } else { words.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// The configuration of a trial as the agent understands it.
    fn loaded(settings: Settings) -> config::Config {
        let text = settings.config();
        let text =
            text.replace("{listen}", "127.0.0.1:1").replace("{data}", "/d").replace("{url}", "http://a/");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("config.yml");
        std::fs::write(&file, &text).expect("writable");
        let loaded = config::load(Some(&file), &config::Overrides::default());
        loaded.unwrap_or_else(|errors| panic!("{errors}\n{text}")).config
    }

    #[test]
    fn each_trial_differs_from_the_defaults_in_what_it_says() {
        let default = loaded(Settings::default());
        for settings in Settings::screening() {
            let mut trial = loaded(settings);
            assert_eq!(trial != default, settings != Settings::default(), "{settings}");
            if let Some(batch) = settings.batch {
                assert_eq!(trial.upstreams[0].max_samples_per_send, batch.max_samples_per_send as usize);
                trial.upstreams[0] = default.upstreams[0].clone();
            }
            if settings.memory.is_some() {
                assert_eq!(trial.max_memory, default.max_memory * 2);
            }
            if settings.is_unsynced {
                trial.queue.sync = config::SyncMode::Always;
            }
            trial.max_memory = default.max_memory;
            trial.server.max_in_flight_bytes = default.server.max_in_flight_bytes;
            assert_eq!(trial, default, "{settings} changes something else, too");
        }
    }

    #[test]
    fn what_changes_the_same_thing_does_not_go_together() {
        let [small, large, memory] = Settings::candidates();
        assert_eq!(small.with(large), None);
        let both = large.with(memory).expect("two things");
        assert_eq!(both.to_string(), "large batches, max_memory 460MiB");
        assert_eq!(
            both.lines(),
            "max_memory: 460MiB\nremote_write:\n  - # in each entry\n    max_bytes_per_send: 32MiB\n    queue_config:\n      \
             max_samples_per_send: 500000\n"
        );
        loaded(both);
    }
}
