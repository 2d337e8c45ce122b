//! A file system of a few MiB that can be filled and emptied.

use crate::alone;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `body` in a process and a mount namespace of its own; `test` is the whole name of the test that
/// calls.
pub fn in_own_mounts(test: &str, body: impl Future<Output = ()>) {
    if alone::is_inside() {
        return alone::block_on(body);
    }
    let options = alone::allowed("--mount", &["true"]).expect(
        "this test mounts a small file system with unshare, of util-linux: run it as root, or where users may make \
         namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)",
    );
    alone::start_again(test, &options);
}

/// A tmpfs. It goes with the mount namespace of the process.
pub struct SmallDisk {
    path: PathBuf,
    filler: PathBuf,
}

impl SmallDisk {
    pub fn mount(path: &Path, mib: u64) -> Self {
        fs::create_dir(path).expect("a folder of our own");
        let size = format!("size={mib}m");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output();
        let output = output.expect("mount, of util-linux");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cannot mount a tmpfs on {}: {error}", path.display());
        Self { path: path.to_owned(), filler: path.join("filler") }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all that is left, to the last byte.
    pub fn fill(&self) {
        let mut filler =
            File::options().create(true).append(true).open(&self.filler).expect("a name takes no space");
        let mut size = 1 << 20;
        while size > 0 {
            match filler.write(&vec![0; size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => panic!("cannot fill the disk: {error}"),
            }
        }
    }

    /// Deletes what [`SmallDisk::fill`] wrote.
    pub fn give_back(&self) {
        fs::remove_file(&self.filler).expect("it was filled");
    }
}
