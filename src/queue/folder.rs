//! The folder of the store: who may make a new one in it, and what a start that was cut off left there.

use super::{OpenError, witness};
use rustix::fs::FlockOperation;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The file that names RocksDB's list of files: where it is, there is a store.
const CURRENT: &str = "CURRENT";

/// Stands in the folder while a new store is made in it, and goes before the first push is taken: a store that has it
/// never answered for anything.
const UNFINISHED: &str = "UNFINISHED";

/// The folder of a store that is being opened. Nobody else opens or makes one in it meanwhile.
pub(super) struct Folder<'a> {
    path: &'a Path,
    /// A new store may be made in it.
    pub(super) is_new: bool,
    /// Locked until it is dropped; from then on RocksDB's own lock stands.
    locked: fs::File,
}

impl<'a> Folder<'a> {
    /// Makes the folder if it is missing. A new store may be made only in one that is empty, or that holds nothing but
    /// what a start that was cut off left behind: a folder with files and no store in it may be a store that lost its
    /// first file.
    pub(super) fn prepare(path: &'a Path) -> Result<Self, OpenError> {
        let io = |error: io::Error| OpenError::Folder { path: path.to_owned(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let locked = fs::File::open(path).map_err(io)?;
        rustix::fs::flock(&locked, FlockOperation::NonBlockingLockExclusive).map_err(
            |error| match error {
                rustix::io::Errno::WOULDBLOCK => OpenError::Locked { path: path.to_owned() },
                error => io(error.into()),
            },
        )?;
        let mut folder = Self { path, is_new: true, locked };
        if path.join(UNFINISHED).exists() {
            folder.clear().map_err(io)?;
        } else if path.join(CURRENT).exists() {
            folder.is_new = false;
            return Ok(folder);
        }
        for entry in fs::read_dir(path).map_err(io)? {
            let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
            if name != UNFINISHED && name != "lost+found" && !name.starts_with("LOG") && name != "LOCK" {
                return Err(missing_store(path));
            }
        }
        fs::File::create(path.join(UNFINISHED)).and_then(|marker| marker.sync_all()).map_err(io)?;
        folder.sync().map_err(io)?;
        Ok(folder)
    }

    /// Removes what a start left that was cut off before its store took anything.
    fn clear(&self) -> io::Result<()> {
        let is_of_a_store = |name: &str| {
            let begins = ["CURRENT", "MANIFEST-", "OPTIONS-", "IDENTITY", "LOG", witness::NAME];
            begins.iter().any(|begin| name.starts_with(begin))
                || [".log", ".sst", ".dbtmp"].iter().any(|end| name.ends_with(end))
        };
        for entry in fs::read_dir(self.path)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_of_a_store) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The new store is complete and synced: it may take pushes.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.sync()?;
        fs::remove_file(self.path.join(UNFINISHED))?;
        self.sync()
    }

    /// The names of files must survive a power cut as their contents do.
    fn sync(&self) -> io::Result<()> {
        self.locked.sync_all()?;
        self.path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
    }
}

/// Refuses a folder that has no store in it. Nothing is locked, made or removed.
pub(super) fn expect_store(path: &Path) -> Result<(), OpenError> {
    fs::read_dir(path).map_err(|error| OpenError::Folder { path: path.to_owned(), error })?;
    if path.join(CURRENT).exists() { Ok(()) } else { Err(missing_store(path)) }
}

/// There is no store that could be opened: it lost its first file, or there never was one.
fn missing_store(path: &Path) -> OpenError {
    let is_table = |entry: fs::DirEntry| {
        Path::new(&entry.file_name())
            .extension()
            .is_some_and(|extension| extension == "sst" || extension == "log")
    };
    let has_tables = fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(is_table));
    let path = path.to_owned();
    if has_tables {
        OpenError::Damaged { path, what: format!("its file {CURRENT} is missing") }
    } else {
        OpenError::Foreign { path }
    }
}
