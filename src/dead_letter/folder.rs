//! The folder of the letters: a file each, named `<number>-<upstream>.letter`.
//!
//! The number counts up from 1, and an upstream's name has no character that a file's may not have. So the names alone say
//! how many letters there are, and of whom.

use super::letter::{DecodeError, Letter};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".letter";
/// What is being written. A kill leaves it behind, and the next letter takes its place.
const UNFINISHED: &str = "unfinished";

/// See the module's doc.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// One letter, as the folder lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub number: u64,
    pub upstream: String,
    /// What it takes on disk.
    pub disk_bytes: u64,
}

/// A letter that does not read.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    #[error("cannot read dead letter {number} ({path}): {error}")]
    Io { number: u64, path: PathBuf, error: io::Error },
    #[error(
        "dead letter {number} ({path}) does not read: {error}; `queue dead-letter purge {number}` removes it"
    )]
    Damaged { number: u64, path: PathBuf, error: DecodeError },
}

impl Entry {
    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:010}-{}{SUFFIX}", self.number, self.upstream))
    }

    /// The number and the upstream in a file's name; none for what is no letter.
    fn parse(name: &str) -> Option<(u64, &str)> {
        let (number, upstream) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        Some((number.parse().ok()?, upstream))
    }
}

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it where it is missing.
    pub(super) fn prepare(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        // Its name must survive a power cut as its letters do.
        self.path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    /// The letters in order of their numbers. A folder that is not there has none.
    pub fn list(&self) -> io::Result<Vec<Entry>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut letters = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some((number, upstream)) = name.to_str().and_then(Entry::parse) else { continue };
            // Removed since it was listed.
            let Ok(metadata) = entry.metadata() else { continue };
            let upstream = upstream.to_owned();
            letters.push(Entry { number, upstream, disk_bytes: disk_bytes(&metadata) });
        }
        letters.sort_by_key(|letter| letter.number);
        Ok(letters)
    }

    pub fn read(&self, entry: &Entry) -> Result<Letter, LetterError> {
        let (number, path) = (entry.number, entry.path(&self.path));
        match fs::read(&path) {
            Err(error) => Err(LetterError::Io { number, path, error }),
            Ok(bytes) => Letter::decode(&bytes).map_err(|error| LetterError::Damaged { number, path, error }),
        }
    }

    /// Writes a letter. Once this returns, a power cut does not take it back.
    pub(super) fn write(&self, number: u64, upstream: &str, bytes: &[u8]) -> io::Result<Entry> {
        let unfinished = self.path.join(UNFINISHED);
        let written = self.write_as(&unfinished, number, upstream, bytes);
        if written.is_err() {
            // What of it was written takes space that is short.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn write_as(&self, unfinished: &Path, number: u64, upstream: &str, bytes: &[u8]) -> io::Result<Entry> {
        let mut file =
            File::options().create(true).truncate(true).write(true).mode(0o600).open(unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let disk_bytes = disk_bytes(&file.metadata()?);
        let entry = Entry { number, upstream: upstream.to_owned(), disk_bytes };
        fs::rename(unfinished, entry.path(&self.path))?;
        File::open(&self.path)?.sync_all()?;
        Ok(entry)
    }

    /// Removes a letter. One that is gone already is no error: agent and command line both remove.
    pub fn remove(&self, entry: &Entry) -> io::Result<()> {
        gone_is_fine(fs::remove_file(entry.path(&self.path)))
    }
}

fn gone_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A file takes whole blocks, of which `stat` counts 512 bytes.
fn disk_bytes(metadata: &fs::Metadata) -> u64 {
    metadata.len().max(metadata.blocks() * 512)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_number_and_upstream_and_nothing_else_is_a_letter() {
        assert_eq!(Entry::parse("0000000012-a-b.c.letter"), Some((12, "a-b.c")));
        assert_eq!(Entry::parse("12345678901-..letter"), Some((12_345_678_901, ".")));
        for name in ["unfinished", "12.letter", "x-a.letter", "12-a", "-a.letter"] {
            assert_eq!(Entry::parse(name), None, "{name}");
        }
    }

    #[test]
    fn letters_are_listed_in_order_and_removed_twice_without_a_word() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path().join("letters"));
        assert_eq!(folder.list().unwrap(), [], "a folder that is not there has none");
        folder.prepare().unwrap();
        for number in [2, 11, 10_000_000_000, 1] {
            folder.write(number, "a", b"x").unwrap();
        }
        let listed = folder.list().unwrap();
        let numbers: Vec<_> = listed.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [1, 2, 11, 10_000_000_000]);
        assert!(matches!(folder.read(&listed[0]), Err(LetterError::Damaged { number: 1, .. })));
        folder.remove(&listed[0]).unwrap();
        folder.remove(&listed[0]).unwrap();
        assert!(matches!(folder.read(&listed[0]), Err(LetterError::Io { number: 1, .. })));
        assert_eq!(folder.list().unwrap().len(), 3);
    }

    #[test]
    fn what_a_kill_left_unfinished_is_no_letter_and_gives_way_to_the_next() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path().to_owned());
        fs::write(temporary.path().join(UNFINISHED), b"half a letter that is longer").unwrap();
        assert_eq!(folder.list().unwrap(), []);
        let entry = folder.write(1, "a", b"whole").unwrap();
        assert_eq!(fs::read(entry.path(temporary.path())).unwrap(), b"whole");
        assert!(!temporary.path().join(UNFINISHED).exists());
    }
}
