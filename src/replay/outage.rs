//! An outage, from the first failed attempt until what it held up is delivered. Pure.
//!
//! That is one episode and two lines in the log, however often the upstream comes and goes in between.

use crate::queue::Position;
use std::time::{Duration, Instant};

/// What the log is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Began,
    Ended {
        /// From the first failure until the upstream took data again for good.
        outage: Duration,
        /// From then until everything held up was settled.
        catch_up: Duration,
        /// Samples delivered since the first failure.
        samples: u64,
    },
}

/// The outage of one upstream, if there is one.
#[derive(Debug, Default)]
pub struct Outage {
    episode: Option<Episode>,
}

#[derive(Debug)]
struct Episode {
    since: Instant,
    sent_before: u64,
    back: Option<Back>,
}

/// The upstream takes data again.
#[derive(Debug)]
struct Back {
    at: Instant,
    /// The outage is over when everything before it is settled.
    target: Position,
}

impl Outage {
    /// An attempt failed. `sent` counts the samples delivered so far.
    pub fn failed(&mut self, now: Instant, sent: u64) -> Option<Edge> {
        match &mut self.episode {
            Some(episode) => {
                episode.back = None;
                None
            }
            None => {
                self.episode = Some(Episode { since: now, sent_before: sent, back: None });
                Some(Edge::Began)
            }
        }
    }

    /// Everything before `acked` is settled, while the log ends at `durable`.
    pub fn settled(&mut self, now: Instant, acked: Position, durable: Position, sent: u64) -> Option<Edge> {
        let episode = self.episode.as_mut()?;
        let back = episode.back.get_or_insert(Back { at: now, target: durable });
        if acked < back.target {
            return None;
        }
        let edge = Edge::Ended {
            outage: back.at - episode.since,
            catch_up: now - back.at,
            samples: sent - episode.sent_before,
        };
        self.episode = None;
        Some(edge)
    }

    /// Since when the upstream takes nothing; none while it does.
    pub fn down_since(&self) -> Option<Instant> {
        self.episode.as_ref().filter(|episode| episode.back.is_none()).map(|episode| episode.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_ends_when_what_it_held_up_is_delivered() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        assert_eq!(outage.settled(at(0), 5, 5, 50), None);
        assert_eq!(outage.failed(at(1), 50), Some(Edge::Began));
        assert_eq!(outage.failed(at(2), 50), None);
        assert_eq!(outage.down_since(), Some(at(1)));
        assert_eq!(outage.settled(at(10), 6, 100, 60), None);
        assert_eq!(outage.down_since(), None);
        // It goes away again before it caught up: the same episode.
        assert_eq!(outage.failed(at(11), 60), None);
        assert_eq!(outage.down_since(), Some(at(1)));
        assert_eq!(outage.settled(at(20), 50, 110, 500), None);
        // What is pushed after it came back does not keep it open.
        let ended = outage.settled(at(25), 110, 400, 1_100);
        let expected = Edge::Ended { outage: at(20) - at(1), catch_up: at(25) - at(20), samples: 1_050 };
        assert_eq!(ended, Some(expected));
        assert_eq!(outage.failed(at(30), 1_100), Some(Edge::Began));
    }
}
