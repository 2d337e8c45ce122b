//! The thread that keeps the service manager informed and feeds its watchdog.
//!
//! A thread of its own, so that what it says does not depend on what it watches.

use super::heartbeat::Hearts;
use super::notify::{Notify, Word, watchdog_from_env};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Wait between two looks where no watchdog asks for less: the status in words is that old at most.
const LOOK: Duration = Duration::from_secs(5);

/// Looks within one watchdog interval: one that comes late is no cause for a restart.
const LOOKS_PER_INTERVAL: u32 = 4;

/// How many watchdog intervals a part may take for one turn. A sync can take minutes on a disk that is busy or about to
/// fail, and a restart would not make it faster; ten minutes with the unit's interval are no disk any more.
const PATIENCE_INTERVALS: u32 = 10;

/// Makes the status in words. Must not touch the disk: the thread has to go on when that hangs.
pub type WordsFn = Box<dyn Fn() -> String + Send>;

/// The handle of the thread. Dropped, it ends the thread, once all is said.
#[derive(Debug)]
pub struct Manager {
    told: Option<Sender<Told>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Told {
    Reloading { monotonic_us: u64 },
    Reloaded,
    Stopping,
}

impl Manager {
    /// Says that the agent is ready, and from then on how it is, until it is dropped. `hearts` are those whose progress
    /// keeps the watchdog fed. Does nothing where no service manager asks.
    pub fn start(hearts: Hearts, words: WordsFn) -> Self {
        let none = Self { told: None, thread: None };
        let notify = match Notify::from_env() {
            Ok(Some(notify)) => notify,
            Ok(None) => return none,
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told how the agent is");
                return none;
            }
        };
        let reporter = Reporter::new(notify, watchdog_from_env(), hearts, words);
        let (told, receiver) = mpsc::channel();
        match std::thread::Builder::new().name("manager".into()).spawn(move || reporter.run(&receiver)) {
            Ok(thread) => Self { told: Some(told), thread: Some(thread) },
            Err(error) => {
                tracing::error!(%error, "no thread to keep the service manager informed, it may end this agent");
                none
            }
        }
    }

    /// A reload begins.
    pub fn reloading(&self) {
        self.tell(Told::Reloading { monotonic_us: monotonic_us() });
    }

    /// It is over, whatever came of it.
    pub fn reloaded(&self) {
        self.tell(Told::Reloaded);
    }

    /// The agent ends itself.
    pub fn stopping(&self) {
        self.tell(Told::Stopping);
    }

    fn tell(&self, what: Told) {
        if let Some(told) = &self.told {
            // The thread ends after this handle.
            let _ = told.send(what);
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.told = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The clock that `Type=notify-reload` compares with its own.
fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1_000_000 + nanos / 1_000
}

/// What the thread holds.
struct Reporter {
    notify: Notify,
    look: Duration,
    /// How many looks a part may stand still; none where no watchdog is to be fed.
    patience: Option<u32>,
    hearts: Hearts,
    words: WordsFn,
    /// The status that was said last.
    said: String,
    is_stopping: bool,
    is_stuck: bool,
    /// The last word did not get through.
    is_deaf: bool,
}

impl Reporter {
    fn new(notify: Notify, watchdog: Option<Duration>, hearts: Hearts, words: WordsFn) -> Self {
        let look = watchdog.map_or(LOOK, |interval| LOOK.min(interval / LOOKS_PER_INTERVAL));
        let patience = watchdog.map(|interval| {
            let looks = (interval * PATIENCE_INTERVALS).as_nanos() / look.as_nanos().max(1);
            u32::try_from(looks).unwrap_or(u32::MAX)
        });
        let (said, is_stopping, is_stuck, is_deaf) = (String::new(), false, false, false);
        Self { notify, look, patience, hearts, words, said, is_stopping, is_stuck, is_deaf }
    }

    fn run(mut self, told: &Receiver<Told>) {
        self.ready();
        loop {
            match told.recv_timeout(self.look) {
                Ok(Told::Reloading { monotonic_us }) => drop(self.say(&[Word::Reloading { monotonic_us }])),
                Ok(Told::Reloaded) => self.ready(),
                Ok(Told::Stopping) => {
                    self.is_stopping = true;
                    self.say(&[Word::Stopping, Word::Status("stopping, what is in flight is finished")]);
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn ready(&mut self) {
        self.said = (self.words)();
        let status = self.said.clone();
        self.say(&[Word::Ready, Word::Status(&status)]);
    }

    /// Nobody told anything for a while.
    fn look(&mut self) {
        let mut words = Vec::new();
        let status = if self.is_stopping { self.said.clone() } else { (self.words)() };
        if status != self.said {
            words.push(Word::Status(&status));
        }
        if self.is_alive() {
            words.push(Word::Watchdog);
        }
        if !words.is_empty() && self.say(&words) {
            self.said = status;
        }
    }

    /// Whether the watchdog is to be fed.
    fn is_alive(&mut self) -> bool {
        let Some(patience) = self.patience else { return false };
        // Parts end one after the other then; what may take how long is for the service manager to say.
        if self.is_stopping {
            return true;
        }
        let stuck = self.hearts.look(patience);
        match (stuck, self.is_stuck) {
            (Some(part), false) => {
                let seconds = (self.look * patience).as_secs_f64();
                tracing::error!(
                    part,
                    seconds,
                    "no progress, the service manager is left to restart the agent"
                );
            }
            (None, true) => tracing::warn!("there is progress again"),
            _ => {}
        }
        self.is_stuck = stuck.is_some();
        !self.is_stuck
    }

    /// Returns true where it got through.
    fn say(&mut self, words: &[Word<'_>]) -> bool {
        let said: io::Result<()> = self.notify.say(words);
        if let Err(error) = &said
            && !self.is_deaf
        {
            tracing::warn!(%error, "the service manager cannot be told how the agent is, trying again");
        }
        self.is_deaf = said.is_err();
        !self.is_deaf
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Heartbeat;
    use std::os::unix::net::UnixDatagram;
    use tempfile::TempDir;

    struct Stage {
        _folder: TempDir,
        socket: UnixDatagram,
        reporter: Reporter,
    }

    fn stage(watchdog: Option<Duration>, parts: Vec<(String, Heartbeat)>) -> Stage {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a free name");
        socket.set_nonblocking(true).expect("a socket");
        let notify = Notify::new(path.as_os_str()).expect("a path");
        let words = Box::new(|| "delivering".to_owned());
        Stage {
            _folder: folder,
            socket,
            reporter: Reporter::new(notify, watchdog, Hearts::new(parts), words),
        }
    }

    impl Stage {
        fn heard(&self) -> Option<String> {
            let mut buffer = [0; 256];
            let length = self.socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        }
    }

    #[test]
    fn the_watchdog_is_fed_while_all_parts_go_on_and_again_when_they_do() {
        let heart = Heartbeat::default();
        let mut stage = stage(Some(Duration::from_secs(4)), vec![("committer".into(), heart.clone())]);
        assert_eq!((stage.reporter.look, stage.reporter.patience), (Duration::from_secs(1), Some(40)));
        stage.reporter.ready();
        assert_eq!(stage.heard().as_deref(), Some("READY=1\nSTATUS=delivering\n"));
        for _ in 0..40 {
            stage.reporter.look();
            assert_eq!(stage.heard().as_deref(), Some("WATCHDOG=1\n"));
        }
        for _ in 0..3 {
            stage.reporter.look();
            assert_eq!(stage.heard(), None);
        }
        heart.beat();
        stage.reporter.look();
        assert_eq!(stage.heard().as_deref(), Some("WATCHDOG=1\n"));
    }

    #[test]
    fn the_units_interval_is_looked_at_every_five_seconds_for_ten_minutes() {
        let reporter = stage(Some(Duration::from_secs(60)), Vec::new()).reporter;
        assert_eq!((reporter.look, reporter.patience), (LOOK, Some(120)));
    }

    #[test]
    fn what_does_not_change_is_said_once_and_no_watchdog_is_fed_that_nobody_asked_for() {
        let mut stage = stage(None, vec![("committer".into(), Heartbeat::default())]);
        stage.reporter.ready();
        stage.heard().expect("ready");
        stage.reporter.look();
        assert_eq!(stage.heard(), None);
        stage.reporter.words = Box::new(|| "upstream away".to_owned());
        stage.reporter.look();
        assert_eq!(stage.heard().as_deref(), Some("STATUS=upstream away\n"));
    }

    #[test]
    fn what_is_told_is_said_in_order_to_the_end() {
        let Stage { _folder, socket, reporter } = stage(None, Vec::new());
        let (told, receiver) = mpsc::channel();
        for what in [Told::Reloading { monotonic_us: 7 }, Told::Reloaded, Told::Stopping] {
            told.send(what).expect("it is held");
        }
        drop(told);
        reporter.run(&receiver);
        let mut heard = String::new();
        let mut buffer = [0; 256];
        while let Ok(length) = socket.recv(&mut buffer) {
            heard += &String::from_utf8_lossy(&buffer[..length]);
        }
        assert_eq!(
            heard,
            "READY=1\nSTATUS=delivering\nRELOADING=1\nMONOTONIC_USEC=7\nREADY=1\nSTATUS=delivering\nSTOPPING=1\n\
             STATUS=stopping, what is in flight is finished\n"
        );
    }
}
