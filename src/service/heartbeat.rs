//! Who still makes progress: each part that has to bumps a counter, and one place looks whether they move.
//!
//! A part beats at each turn of its loop, and at least once a second while it rightly waits. It does not beat in the
//! middle of work: a turn that never ends is what a watchdog is for.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Wait between two beats of a part that has nothing to do.
const IDLE_BEAT: Duration = Duration::from_secs(1);

/// The heart of one part; clones are the same heart.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// The part goes on.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Beats for as long as the part waits for something that may take any time.
    pub async fn during<F: Future>(&self, waiting: F) -> F::Output {
        let mut waiting = pin!(waiting);
        loop {
            match tokio::time::timeout(IDLE_BEAT, &mut waiting).await {
                Ok(output) => return output,
                Err(_) => self.beat(),
            }
        }
    }

    fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The hearts of all parts. Time is counted in looks, not read from a clock: where the whole process was halted for a
/// while, nobody is blamed for it.
#[derive(Debug)]
pub struct Hearts {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    name: String,
    heart: Heartbeat,
    seen: u64,
    /// Looks since it last moved.
    still: u32,
}

impl Hearts {
    /// Parts by their names in the log.
    pub fn new(parts: impl IntoIterator<Item = (String, Heartbeat)>) -> Self {
        let part = |(name, heart): (String, Heartbeat)| Part { name, seen: heart.beats(), heart, still: 0 };
        Self { parts: parts.into_iter().map(part).collect() }
    }

    /// Looks at all. Returns the name of a part that did not move for more than `patience` looks, the first of them.
    pub fn look(&mut self, patience: u32) -> Option<&str> {
        for part in &mut self.parts {
            let beats = part.heart.beats();
            part.still = if beats == part.seen { part.still.saturating_add(1) } else { 0 };
            part.seen = beats;
        }
        self.parts.iter().find(|part| part.still > patience).map(|part| part.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::wait::until;
    use proptest::prelude::*;

    fn hearts(names: &[&str]) -> (Hearts, Vec<Heartbeat>) {
        let parts: Vec<_> = names.iter().map(|name| ((*name).to_owned(), Heartbeat::default())).collect();
        (Hearts::new(parts.clone()), parts.into_iter().map(|(_, heart)| heart).collect())
    }

    #[test]
    fn a_part_that_stands_still_is_found_and_forgiven_when_it_goes_on() {
        let (mut all, parts) = hearts(&["committer", "replay"]);
        for _ in 0..3 {
            parts[0].beat();
            assert_eq!(all.look(3), None);
        }
        parts[0].beat();
        assert_eq!(all.look(3), Some("replay"));
        parts[1].beat();
        assert_eq!(all.look(3), None);
    }

    #[test]
    fn without_parts_nobody_stands_still() {
        assert_eq!(hearts(&[]).0.look(0), None);
    }

    proptest! {
        /// Against the plain account: looks since the last beat.
        #[test]
        fn the_first_part_beyond_patience_is_named(
            patience in 0u32..4,
            beats in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..40),
        ) {
            let (mut all, parts) = hearts(&["a", "b"]);
            let mut still = [0u32; 2];
            for (a, b) in beats {
                for (at, has_beat) in [a, b].into_iter().enumerate() {
                    if has_beat {
                        parts[at].beat();
                    }
                    still[at] = if has_beat { 0 } else { still[at] + 1 };
                }
                let expected = ["a", "b"].into_iter().zip(still).find(|(_, still)| *still > patience);
                prop_assert_eq!(all.look(patience), expected.map(|(name, _)| name));
            }
        }
    }

    #[tokio::test]
    async fn a_part_that_waits_beats_and_one_that_works_does_not() {
        let heart = Heartbeat::default();
        assert_eq!(heart.during(async { 7 }).await, 7);
        assert_eq!(heart.beats(), 0);
        let waiting = heart.clone();
        let task = tokio::spawn(async move { waiting.during(std::future::pending::<()>()).await });
        until("it beats while it waits", || heart.beats() >= 2).await;
        task.abort();
    }
}
