//! Files beside the configuration that say what is in force: what PMM hands over.

use crate::config::{Stamp, stamp};
use std::path::PathBuf;
use std::time::Duration;

/// Wait between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Files, and how they were when they were last looked at.
pub(super) struct Followed {
    files: Vec<(PathBuf, Stamp)>,
}

impl Followed {
    pub(super) fn new(files: Vec<(PathBuf, Stamp)>) -> Self {
        Self { files }
    }

    /// Waits until any of them changed. Nothing is lost when it is dropped half way.
    pub(super) async fn change(&mut self) {
        if self.files.is_empty() {
            std::future::pending::<()>().await;
        }
        while !self.changed() {
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Whether any of them changed, came or went since the last look.
    fn changed(&mut self) -> bool {
        let mut is_changed = false;
        for (path, last) in &mut self.files {
            let now = stamp(path);
            is_changed |= std::mem::replace(last, now) != now;
        }
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_comes_is_replaced_or_goes_is_noticed_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        let mut followed = Followed::new(vec![(path.clone(), stamp(&path))]);
        assert!(!followed.changed());
        for text in ["one", "a longer one"] {
            fs::write(&path, text).expect("writable");
            assert!(followed.changed() && !followed.changed());
        }
        fs::remove_file(&path).expect("there");
        assert!(followed.changed() && !followed.changed());
    }
}
