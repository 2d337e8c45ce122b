//! A temporary folder, and the space that it takes.

use anyhow::Context;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells the folders of this process apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A folder of our own, removed with all it holds when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a folder in `parent`, whose name begins with `name`. An error where that cannot be.
    pub fn new(parent: &Path, name: &str) -> anyhow::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{name}-{}-{number}", std::process::id()));
        // Not `create_dir_all`: a folder that is there already is someone else's.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// See [`allocated_bytes`].
    pub fn allocated_bytes(&self) -> u64 {
        allocated_bytes(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Space that the files of a folder take on disk, as `du` counts it, in bytes. Files that go away meanwhile are not counted.
pub fn allocated_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => allocated_bytes(&entry.path()),
        // st_blocks is in units of 512 bytes, whatever the file system's own are; see stat(2).
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_counted_and_removed_with_what_it_holds() {
        let folder = Folder::new(&std::env::temp_dir(), "pmm-buffer-test").expect("a temporary folder");
        let path = folder.path().to_owned();
        assert_eq!(folder.allocated_bytes(), 0);
        fs::create_dir(path.join("data")).expect("writable");
        fs::write(path.join("data/file"), vec![7; 10_000]).expect("writable");
        fs::File::open(path.join("data/file")).and_then(|file| file.sync_all()).expect("written");
        assert!((10_000..50_000).contains(&folder.allocated_bytes()), "{}", folder.allocated_bytes());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_made_is_named() {
        let error = Folder::new(Path::new("/no-such-folder"), "x").expect_err("there is none").to_string();
        assert!(error.contains("/no-such-folder/x-"), "{error}");
    }
}
