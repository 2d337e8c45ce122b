//! What the agent writes letters with: it keeps the limit, and counts.

use super::folder::{Entry, Folder};
use super::letter::Letter;
use crate::config;
use crate::telemetry::process::{FileSystem, file_system};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What it is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    pub path: PathBuf,
    /// Disk space for all letters, in bytes; 0 keeps none.
    pub max_bytes: u64,
    /// Whose `min_free_disk` is kept here too.
    pub queue: config::Queue,
}

/// All letters of the agent. Shared by the deliveries; every method blocks for as long as a disk takes.
#[derive(Debug)]
pub struct DeadLetters {
    folder: Folder,
    queue: config::Queue,
    max_bytes: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Entry>,
    next: u64,
    listed: Option<Listed>,
}

/// How the folder was listed last.
#[derive(Debug, Clone, Copy)]
struct Listed {
    at: Instant,
    /// The folder's own time, which changes with every file that comes or goes; none where there is no folder.
    changed: Option<SystemTime>,
    /// When that time was seen first.
    seen: Instant,
}

/// A file system may give two changes that are close together the same time.
const TICK: Duration = Duration::from_secs(1);

/// A letter was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub number: u64,
    /// Upstreams of the oldest letters, which went to make room; one for each.
    pub evicted: Vec<String>,
}

/// A letter was not kept: what it held is lost.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("dead_letters.max_bytes is 0")]
    Off,
    #[error("it takes {bytes} bytes, more than dead_letters.max_bytes allows for all")]
    TooLarge { bytes: usize },
    #[error("the file system of {path} is at queue.min_free_disk")]
    NoRoom { path: PathBuf },
    #[error("cannot write to {path}: {error}")]
    Io { path: PathBuf, error: io::Error },
}

/// Numbers for status and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    pub disk_bytes: u64,
    /// Letters by upstream.
    pub letters: BTreeMap<String, u64>,
}

impl Lost {
    /// Value of the label `reason` of `pmm_buffer_dead_letters_dropped_total`; none where nothing was to be kept.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::TooLarge { .. } => Some("max_bytes"),
            Self::NoRoom { .. } => Some("min_free_disk"),
            Self::Io { .. } => Some("disk"),
        }
    }
}

impl State {
    fn disk_bytes(&self) -> u64 {
        self.letters.iter().map(|entry| entry.disk_bytes).sum()
    }
}

impl DeadLetters {
    /// Finds the letters there are. A folder that cannot be read is tried again with each letter: what was refused must not
    /// keep the agent from delivering the rest.
    pub fn open(options: Options) -> Self {
        let Options { path, max_bytes, queue } = options;
        let folder = Folder::new(path);
        let letters = Self { folder, queue, max_bytes: max_bytes.into(), state: Mutex::default() };
        if let Err(error) = letters.refresh(&mut letters.state()) {
            let path = letters.folder.path().display();
            tracing::error!(%path, %error, "cannot read the dead letters, what is refused for good may be lost");
        }
        letters
    }

    /// Puts another limit in force; what is beyond it goes with the next letter.
    pub fn set_max_bytes(&self, max_bytes: u64) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    /// Keeps a letter. Once this returns, no power cut takes it back.
    pub fn keep(&self, letter: &Letter) -> Result<Kept, Lost> {
        let max_bytes = self.max_bytes.load(Ordering::Relaxed);
        if max_bytes == 0 {
            return Err(Lost::Off);
        }
        let bytes = letter.encode();
        if bytes.len() as u64 > max_bytes {
            return Err(Lost::TooLarge { bytes: bytes.len() });
        }
        let io = |error| Lost::Io { path: self.folder.path().to_owned(), error };
        let mut state = self.state();
        self.folder.prepare().map_err(io)?;
        if state.listed.is_none() {
            self.refresh(&mut state).map_err(io)?;
        }
        if self.room().is_some_and(|room| room < bytes.len() as u64) {
            return Err(Lost::NoRoom { path: self.folder.path().to_owned() });
        }
        let number = state.next;
        let entry = self.folder.write(number, &letter.upstream, &bytes).map_err(io)?;
        state.letters.push_back(entry);
        state.next += 1;
        let evicted = self.evict(&mut state, max_bytes).map_err(io)?;
        Ok(Kept { number, evicted })
    }

    /// What may still be written to the file system; none where that is not known.
    fn room(&self) -> Option<u64> {
        let FileSystem { size_bytes, free_bytes } = file_system(self.folder.path())?;
        Some(free_bytes.saturating_sub(self.queue.min_free_disk_of(size_bytes)))
    }

    /// Removes the oldest letters but for the one that was just written until they are within the limit.
    fn evict(&self, state: &mut State, max_bytes: u64) -> io::Result<Vec<String>> {
        if state.disk_bytes() > max_bytes && state.listed.is_none_or(|listed| listed.at.elapsed() >= TICK) {
            // What the command line removed takes no room any more.
            self.refresh(state)?;
        }
        let mut total = state.disk_bytes();
        let mut evicted = Vec::new();
        while total > max_bytes && state.letters.len() > 1 {
            self.folder.remove(&state.letters[0])?;
            let Some(entry) = state.letters.pop_front() else { break };
            total -= entry.disk_bytes;
            evicted.push(entry.upstream);
        }
        Ok(evicted)
    }

    /// Letters and bytes as they are now, also after the command line removed some.
    pub fn totals(&self) -> Totals {
        let mut state = self.state();
        // What cannot be listed now is as it was.
        let _ = self.refresh(&mut state);
        let mut totals = Totals { disk_bytes: state.disk_bytes(), letters: BTreeMap::new() };
        for entry in &state.letters {
            *totals.letters.entry(entry.upstream.clone()).or_default() += 1;
        }
        totals
    }

    /// Lists the folder where it may have changed since it was listed last.
    fn refresh(&self, state: &mut State) -> io::Result<()> {
        // The times first: a change while it is listed is seen the next time.
        let at = Instant::now();
        let changed = match fs::metadata(self.folder.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            metadata => Some(metadata?.modified()?),
        };
        let known = state.listed.filter(|listed| listed.changed == changed);
        if known.is_none_or(|listed| listed.at < listed.seen + TICK) {
            state.letters = self.folder.list()?.into();
            let seen = known.map_or(at, |listed| listed.seen);
            state.listed = Some(Listed { at, changed, seen });
        }
        let last = state.letters.back().map_or(0, |entry| entry.number);
        state.next = state.next.max(last + 1);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A list that is read anew: whoever panicked while writing it left nothing that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::letter::tests::letter;
    use std::path::Path;

    fn options(path: &Path, max_bytes: u64) -> Options {
        let queue = config::Queue { min_free_disk: Some(0), ..config::Queue::default() };
        Options { path: path.to_owned(), max_bytes, queue }
    }

    fn numbers(letters: &DeadLetters) -> Vec<u64> {
        letters.folder.list().unwrap().iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn letters_are_numbered_on_and_read_after_a_reopen() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("dead-letters");
        for number in 1..4 {
            let letters = DeadLetters::open(options(&path, 1 << 20));
            let letter = letter("a", "up", &[number as f64]);
            assert_eq!(letters.keep(&letter).unwrap(), Kept { number, evicted: Vec::new() });
            let listed = letters.folder.list().unwrap();
            assert_eq!(letters.folder.read(&listed[number as usize - 1]).unwrap(), letter);
        }
    }

    #[test]
    fn at_the_limit_the_oldest_goes() {
        let temporary = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(options(temporary.path(), 1 << 20));
        letters.keep(&letter("a", "up", &[1.0])).unwrap();
        let one = letters.totals().disk_bytes;
        letters.set_max_bytes(3 * one);
        for _ in 0..2 {
            assert_eq!(letters.keep(&letter("b", "up", &[1.0])).unwrap().evicted, Vec::<String>::new());
        }
        assert_eq!(letters.keep(&letter("b", "up", &[1.0])).unwrap().evicted, ["a"]);
        assert_eq!(numbers(&letters), [2, 3, 4]);
        assert_eq!(letters.totals().letters, BTreeMap::from([("b".to_owned(), 3)]));
        letters.set_max_bytes(one);
        assert_eq!(letters.keep(&letter("a", "up", &[1.0])).unwrap().evicted, ["b", "b", "b"]);
        assert_eq!(numbers(&letters), [5]);
    }

    #[test]
    fn what_someone_else_removes_is_counted_no_more_and_its_number_not_used_again() {
        let temporary = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(options(temporary.path(), 1 << 20));
        letters.keep(&letter("a", "up", &[1.0])).unwrap();
        let listed = letters.folder.list().unwrap();
        Folder::new(temporary.path().to_owned()).remove(&listed[0]).unwrap();
        assert_eq!(letters.totals(), Totals::default());
        assert_eq!(letters.keep(&letter("a", "up", &[1.0])).unwrap().number, 2);
    }

    #[test]
    fn what_cannot_be_kept_is_told_with_its_reason() {
        let temporary = tempfile::tempdir().unwrap();
        let (path, big) = (temporary.path().join("x"), letter("a", "up", &[1.0]));
        let reason = |options: Options| DeadLetters::open(options).keep(&big).unwrap_err().reason();
        assert_eq!(reason(options(&path, 0)), None);
        assert!(!path.exists(), "nothing is to be kept, and no folder made");
        assert_eq!(reason(options(&path, 10)), Some("max_bytes"));
        let mut short = options(&path, 1 << 20);
        short.queue.min_free_disk = Some(u64::MAX);
        assert_eq!(reason(short), Some("min_free_disk"));
        fs::write(temporary.path().join("file"), b"").unwrap();
        assert_eq!(reason(options(&temporary.path().join("file/x"), 1 << 20)), Some("disk"));
    }

    #[test]
    fn a_disk_that_is_mended_takes_letters_again() {
        let temporary = tempfile::tempdir().unwrap();
        let parent = temporary.path().join("parent");
        fs::write(&parent, b"").unwrap();
        let letters = DeadLetters::open(options(&parent.join("x"), 1 << 20));
        letters.keep(&letter("a", "up", &[1.0])).unwrap_err();
        fs::remove_file(&parent).unwrap();
        assert_eq!(letters.keep(&letter("a", "up", &[1.0])).unwrap().number, 1);
    }
}
