//! A file beside RocksDB's that says how far the log reached, so that a store which lost its end is not taken for an older
//! one.
//!
//! RocksDB takes a list of files, or a log, that ends too early for one that a crash cut off, and then deletes the tables
//! that the list does not name. It is written after each sync and never synced itself: what it says was synced before,
//! so it may be behind after a power cut and is never ahead. 29 bytes, see docs/format.md.

use super::mark::Mark;
use super::segment::{MARK_LEN, decode_mark, encode_mark};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Its name in the folder of the store.
pub(super) const NAME: &str = "END";
const LEN: usize = MARK_LEN + size_of::<u32>();

/// The open file.
pub(super) struct Witness {
    file: File,
}

impl Witness {
    /// Opens the file in `folder`, or makes it.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(folder.join(NAME))?;
        Ok(Self { file })
    }

    /// The log is synced up to `end`. That this could not be written takes nothing from what was stored.
    pub(super) fn note(&self, end: Mark) {
        let _ = self.file.write_all_at(&encode(end), 0);
    }
}

/// How far the log in `folder` reached, at the least; none where that is not known.
pub(super) fn read(folder: &Path) -> Option<Mark> {
    decode(&fs::read(folder.join(NAME)).ok()?)
}

fn encode(end: Mark) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..MARK_LEN].copy_from_slice(&encode_mark(end));
    let crc = crc32fast::hash(&bytes[..MARK_LEN]);
    bytes[MARK_LEN..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Mark> {
    let (mark, crc) = bytes.split_at_checked(MARK_LEN)?;
    let is_sound = crc == crc32fast::hash(mark).to_le_bytes();
    decode_mark(mark).filter(|_| is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_noted_is_read_and_a_changed_bit_is_nothing(position: u64, samples: u64, bytes: u64, bit in 0..LEN * 8) {
            let mark = Mark { position, samples, bytes };
            let mut file = encode(mark);
            prop_assert_eq!(decode(&file), Some(mark));
            file[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(decode(&file), None);
        }
    }
}
