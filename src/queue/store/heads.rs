//! The heads of the entries in RocksDB's logs and in its list of files, looked at before RocksDB reads them.
//!
//! Such a file is blocks of 32 KiB, full of entries that do not cross into the next block:
//!
//! ```text
//!  ┌────────────────┬────────┬──────┬─────────┐
//!  │ masked CRC-32C │ length │ type │ payload │   the CRC is of type and payload
//!  │ u32            │ u16    │ u8   │         │   integers are little-endian
//!  └────────────────┴────────┴──────┴─────────┘
//! ```
//!
//! Source: RocksDB, db/log_format.h. Some types belong to log files that are recycled, as none is here. Where one stands behind an
//! entry that is not of these, RocksDB's reader stays on it for ever (db/log_reader.cc, `ReadPhysicalRecord`; issue 13333); where
//! a file begins with one, all of it is passed over. So a flipped bit would have a start hang, or cost a whole log. The CRC says
//! which type it was.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const BLOCK: usize = 32 * 1024;
const HEAD: usize = 7;
const TYPE_AT: usize = 6;

/// A whole record in one entry, as nearly all are.
const FULL: u8 = 1;
/// Types of logs that are not recycled: whole records, their parts, and what describes a log.
const PLAIN: [u8; 7] = [FULL, 2, 3, 4, 9, 10, 130];
const RECYCLED: [u8; 6] = [5, 6, 7, 8, 11, 131];

/// An entry with the type of a recycled log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadHead {
    file: PathBuf,
    /// Where the type stands.
    at: u64,
    /// What it was; none where the CRC fits none.
    was: Option<u8>,
}

impl BadHead {
    /// Puts the type right. Where it is not known, the entry becomes one that RocksDB finds damaged, and passes over.
    pub(super) fn mend(&self) -> io::Result<()> {
        let file = File::options().write(true).open(&self.file)?;
        file.write_all_at(&[self.was.unwrap_or(FULL)], self.at)?;
        file.sync_data()
    }

    /// True where mending it gives all of the entry back.
    pub(super) fn is_known(&self) -> bool {
        self.was.is_some()
    }
}

impl Display for BadHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or_default().display();
        write!(f, "{name}: the type of the entry at byte {} is damaged", self.at - TYPE_AT as u64)
    }
}

/// Those in the list of files that is in use. Empty where there is none: that is told by the open that follows.
pub(super) fn bad_heads_of_list(folder: &Path) -> io::Result<Vec<BadHead>> {
    let Ok(current) = fs::read_to_string(folder.join("CURRENT")) else { return Ok(Vec::new()) };
    let list = folder.join(current.trim_end());
    if list.is_file() && list.parent() == Some(folder) { bad_heads(&list) } else { Ok(Vec::new()) }
}

/// Those in all logs, in no order. A log that goes away meanwhile has none.
pub(super) fn bad_heads_of_logs(folder: &Path) -> io::Result<Vec<BadHead>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        match bad_heads(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            heads => found.extend(heads?),
        }
    }
    Ok(found)
}

fn bad_heads(path: &Path) -> io::Result<Vec<BadHead>> {
    let mut file = File::open(path)?;
    let (mut found, mut block, mut start) = (Vec::new(), Vec::with_capacity(BLOCK), 0);
    loop {
        block.clear();
        file.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(found);
        }
        for entry in Entries::of(&block) {
            if entry.is_recycled() {
                let at = start + (entry.at + TYPE_AT) as u64;
                found.push(BadHead { file: path.to_owned(), at, was: entry.fitting() });
            }
        }
        start += block.len() as u64;
    }
}

/// The entries of a block that RocksDB's reader comes to: up to the first that does not fit its CRC.
struct Entries<'a> {
    block: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    fn of(block: &'a [u8]) -> Self {
        Self { block, at: 0 }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (head, rest) = self.block.get(self.at..)?.split_first_chunk::<HEAD>()?;
        let [c0, c1, c2, c3, l0, l1, kind] = *head;
        let payload = rest.get(..u16::from_le_bytes([l0, l1]).into());
        let entry = Entry { at: self.at, crc: u32::from_le_bytes([c0, c1, c2, c3]), kind, payload };
        // Whatever is behind an entry that is damaged in another way, the reader goes on in the next block.
        self.at = if entry.fitting().is_some() { entry.end() } else { self.block.len() };
        Some(entry)
    }
}

struct Entry<'a> {
    /// Offset in the block.
    at: usize,
    crc: u32,
    kind: u8,
    /// None where the block ends before it does.
    payload: Option<&'a [u8]>,
}

impl Entry<'_> {
    fn is_recycled(&self) -> bool {
        RECYCLED.contains(&self.kind)
    }

    /// The type that the CRC fits: what the entry says, or what it must have said.
    fn fitting(&self) -> Option<u8> {
        let payload = self.payload?;
        let fits = |kind: &u8| mask(crc32c::crc32c_append(crc32c::crc32c(&[*kind]), payload)) == self.crc;
        let own = Some(self.kind).filter(|kind| !self.is_recycled() && fits(kind));
        own.or_else(|| if self.is_recycled() { PLAIN.into_iter().find(fits) } else { None })
    }

    fn end(&self) -> usize {
        self.at + HEAD + self.payload.map_or(0, <[u8]>::len)
    }
}

/// A CRC as it is stored. Source: RocksDB, util/crc32c.h.
fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Where entries begin in a file without damage.
#[cfg(test)]
pub fn entries_for_test(bytes: &[u8]) -> Vec<usize> {
    let blocks = bytes.chunks(BLOCK).enumerate();
    blocks.flat_map(|(n, block)| Entries::of(block).map(move |entry| n * BLOCK + entry.at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put(file: &mut Vec<u8>, kind: u8, payload: &[u8]) {
        file.extend(mask(crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload)).to_le_bytes());
        file.extend((payload.len() as u16).to_le_bytes());
        file.push(kind);
        file.extend(payload);
    }

    /// A file of entries as a writer fills blocks, and where they begin.
    fn file(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut starts) = (Vec::new(), Vec::new());
        for payload in payloads {
            let left = BLOCK - file.len() % BLOCK;
            if left < HEAD + payload.len() {
                file.resize(file.len() + left, 0);
            }
            starts.push(file.len());
            put(&mut file, FULL, payload);
        }
        (file, starts)
    }

    fn found(bytes: &[u8]) -> Vec<BadHead> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("000001.log"), bytes).unwrap();
        let mut heads = bad_heads_of_logs(folder.path()).unwrap();
        heads.iter_mut().for_each(|head| head.file = PathBuf::new());
        heads
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9_000), 1..20)
    }

    proptest! {
        #[test]
        fn a_type_of_a_recycled_log_is_found_and_known(
            payloads in payloads(), which: prop::sample::Index, kind in prop::sample::select(&RECYCLED[..]),
        ) {
            let (mut bytes, starts) = file(&payloads);
            prop_assert_eq!(found(&bytes), []);
            prop_assert!(entries_for_test(&bytes).iter().filter(|at| starts.contains(at)).count() == starts.len());
            let at = which.get(&starts) + TYPE_AT;
            bytes[at] = kind;
            let head = BadHead { file: PathBuf::new(), at: at as u64, was: Some(FULL) };
            prop_assert_eq!(found(&bytes), [head]);
        }

        #[test]
        fn no_bytes_are_too_much_for_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let heads = found(&bytes);
            prop_assert!(heads.len() <= 1 || heads.iter().rev().skip(1).all(BadHead::is_known));
        }
    }

    #[test]
    fn an_entry_that_is_damaged_beyond_its_type_becomes_one_that_is_passed_over() {
        let (mut bytes, starts) = file(&[vec![1; 50], vec![2; 50], vec![3; 50]]);
        bytes[starts[1] + TYPE_AT] = 5;
        bytes[starts[1] + HEAD] ^= 1;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("000001.log");
        fs::write(&path, &bytes).unwrap();
        let heads = bad_heads(&path).unwrap();
        assert_eq!(heads.iter().map(BadHead::is_known).collect::<Vec<_>>(), [false]);
        assert_eq!(heads[0].to_string(), "000001.log: the type of the entry at byte 57 is damaged");
        heads[0].mend().unwrap();
        assert_eq!(bad_heads(&path).unwrap(), []);
        assert_eq!(fs::read(&path).unwrap().len(), bytes.len());
    }
}
