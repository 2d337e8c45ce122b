//! The demo's temporary folder.

use anyhow::Context;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A folder of our own, removed with all it holds when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder under the system's temporary one. An error where its name is taken.
    pub(super) fn new(now_ms: i64) -> anyhow::Result<Self> {
        let name = format!("pmm-buffer-demo-{}-{now_ms}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Not `create_dir_all`: a folder that is there already is someone else's.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Space that the files take on disk, as `du` counts it, in bytes. Files that go away meanwhile are
    /// not counted.
    pub(super) fn allocated_bytes(&self) -> u64 {
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

fn allocated_bytes(folder: &Path) -> u64 {
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
        let folder = Folder::new(1).expect("a temporary folder");
        let path = folder.path().to_owned();
        assert_eq!(folder.allocated_bytes(), 0);
        fs::create_dir(path.join("data")).expect("writable");
        fs::write(path.join("data/file"), vec![7; 10_000]).expect("writable");
        fs::File::open(path.join("data/file")).and_then(|file| file.sync_all()).expect("written");
        assert!((10_000..50_000).contains(&folder.allocated_bytes()), "{}", folder.allocated_bytes());
        assert!(Folder::new(1).is_err(), "never someone else's folder");
        drop(folder);
        assert!(!path.exists());
    }
}
