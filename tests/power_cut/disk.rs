//! What a disk holds after a power cut, at any point of a trace. Pure, but for writing it out.
//!
//! **Data.** A sync promises what was written to the file before it began, from the moment it has returned,
//! and it promises nothing else. For fdatasync that is data and size: what is needed to read the data back.
//! Of what was not promised nothing may be there, or a part of it, see [`Data`].
//!
//! **Names.** Making, renaming and removing a file changes a folder, and that is durable later than the call.
//! Two models are kept side by side, see [`Names`]: what ext4, xfs and btrfs do, and the least that POSIX
//! allows.
//!
//! Not modelled: a disk that lies about a flush, and damage to what was synced.

use super::trace::Event;
use pmm_buffer::harness::Rng;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

/// Which names a cut leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Those that were synced, by a file system with a journal: changes become durable in their order. A
    /// folder's sync takes all changes before it along; a file's sync its own name, and with it all changes
    /// before that.
    Journal,
    /// The same, and some further changes, in their order: the journal is also written when nobody asks.
    JournalAndMore,
    /// Those that the sync of their own folder made durable; a file's sync does nothing for its name.
    Folder,
    /// The same, and any of the other changes, in any choice.
    FolderAndSome,
    /// All: every change reached the disk, however little of the data did.
    All,
}

/// Which data a cut leaves in a file, beside what was synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    Synced,
    /// What was appended since, up to some byte: the last write is torn.
    Prefix,
    /// Some of the pages of this many bytes that were written since, in any choice. A page that is lost
    /// within the size of the file reads as it was before, or as zeros: a file system may do that which
    /// writes size and data in any order, ext4 with data=writeback for one.
    Pages(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    pub names: Names,
    pub data: Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    /// Index in [`Disk::files`].
    File(usize),
}

type Tree = BTreeMap<String, Node>;

/// One change of a folder: a name goes, a name comes, or both at once.
#[derive(Debug, Clone)]
struct Change {
    number: u64,
    removes: Option<String>,
    adds: Option<(String, Node)>,
}

impl Change {
    fn folder(&self) -> &str {
        let path = self.adds.as_ref().map(|(path, _)| path).or(self.removes.as_ref());
        folder_of(path.expect("BUG: a change of nothing"))
    }

    fn apply(&self, tree: &mut Tree) {
        if let Some(path) = &self.removes {
            tree.remove(path);
        }
        if let Some((path, node)) = &self.adds {
            tree.insert(path.clone(), *node);
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Names that are durable, and the changes since, in order.
#[derive(Debug, Default)]
struct Durable {
    tree: Tree,
    pending: Vec<Change>,
}

impl Durable {
    fn settle(&mut self, is_durable: impl Fn(&Change) -> bool) {
        for change in self.pending.extract_if(.., |change| is_durable(change)) {
            change.apply(&mut self.tree);
        }
    }

    /// The tree with those of the pending changes that `survives` says.
    fn with(&self, mut survives: impl FnMut(usize) -> bool) -> Tree {
        let mut tree = self.tree.clone();
        for (_, change) in self.pending.iter().enumerate().filter(|(at, _)| survives(*at)) {
            change.apply(&mut tree);
        }
        tree
    }
}

#[derive(Debug, Default)]
struct File {
    /// As every process sees it.
    live: Vec<u8>,
    /// As the last sync left it.
    synced: Vec<u8>,
    /// Number of that sync.
    synced_by: u64,
}

/// A sync that has not returned yet.
#[derive(Debug)]
struct Sync {
    target: Target,
    /// The last change of names before it.
    change: u64,
}

#[derive(Debug)]
enum Target {
    Folder(String),
    File { file: usize, content: Vec<u8> },
}

/// The recorded folder, event by event. It begins empty.
#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    live: Tree,
    journal: Durable,
    folders: Durable,
    changes: u64,
    /// By the numbers of the trace: the path of a folder that is open, or the file.
    open: HashMap<u64, (String, Node)>,
    syncs: HashMap<u64, Sync>,
}

impl Disk {
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Opened { file, path, creates, truncates } => {
                self.open(*file, path, *creates, *truncates);
            }
            Event::Written { file, offset, data } => {
                let live = &mut self.file(*file).live;
                live.resize(live.len().max(offset + data.len()), 0);
                live[*offset..offset + data.len()].copy_from_slice(data);
            }
            Event::Truncated { file, size } => self.file(*file).live.resize(*size, 0),
            Event::Extended { file, size } => {
                let live = &mut self.file(*file).live;
                live.resize(live.len().max(*size), 0);
            }
            Event::SyncBegun { file, sync } => self.begin_sync(*file, *sync),
            Event::SyncEnded { sync } => self.end_sync(*sync),
            Event::Renamed { from, to } => {
                let node = self.live[from];
                self.change(Some(from), Some((to, node)));
            }
            Event::Linked { from, to } => {
                let node = self.live[from];
                self.change(None, Some((to, node)));
            }
            Event::Removed { path } => self.change(Some(path), None),
            Event::FolderMade { path } => self.change(None, Some((path, Node::Folder))),
            Event::Answered { .. } | Event::Settled => {}
        }
    }

    fn open(&mut self, number: u64, path: &str, creates: bool, truncates: bool) {
        let found = if path.is_empty() { Some(Node::Folder) } else { self.live.get(path).copied() };
        let node = found.unwrap_or_else(|| {
            assert!(creates, "{path} was opened and never made: the recorder missed something");
            let node = Node::File(self.files.len());
            self.files.push(File::default());
            self.change(None, Some((path, node)));
            node
        });
        self.open.insert(number, (path.to_owned(), node));
        if truncates {
            self.file(number).live.clear();
        }
    }

    fn file(&mut self, number: u64) -> &mut File {
        match self.open[&number] {
            (_, Node::File(file)) => &mut self.files[file],
            (ref path, Node::Folder) => panic!("{path} is a folder and was written to"),
        }
    }

    fn change(&mut self, removes: Option<&String>, adds: Option<(&str, Node)>) {
        self.changes += 1;
        let adds = adds.map(|(path, node)| (path.to_owned(), node));
        let change = Change { number: self.changes, removes: removes.cloned(), adds };
        change.apply(&mut self.live);
        self.journal.pending.push(change.clone());
        self.folders.pending.push(change);
    }

    fn begin_sync(&mut self, number: u64, sync: u64) {
        let target = match &self.open[&number] {
            (path, Node::Folder) => Target::Folder(path.clone()),
            (_, Node::File(file)) => Target::File { file: *file, content: self.files[*file].live.clone() },
        };
        self.syncs.insert(sync, Sync { target, change: self.changes });
    }

    fn end_sync(&mut self, number: u64) {
        let Sync { target, change } = self.syncs.remove(&number).expect("a sync begins before it ends");
        match target {
            Target::Folder(path) => {
                self.journal.settle(|pending| pending.number <= change);
                self.folders.settle(|pending| pending.number <= change && pending.folder() == path);
            }
            Target::File { file, content } => {
                let is_its_name = |pending: &&Change| {
                    pending.number <= change
                        && pending.adds.as_ref().is_some_and(|(_, node)| *node == Node::File(file))
                };
                if let Some(name) = self.journal.pending.iter().rfind(is_its_name) {
                    let name = name.number;
                    self.journal.settle(|pending| pending.number <= name);
                }
                let file = &mut self.files[file];
                if number > file.synced_by {
                    (file.synced, file.synced_by) = (content, number);
                }
            }
        }
    }

    /// Writes what a power cut now would leave to `folder`, which is there and empty.
    pub fn write_out(&self, fate: Fate, rng: &mut Rng, folder: &Path) {
        let tree = self.names(fate.names, rng);
        for (path, node) in &tree {
            let parent = folder_of(path);
            // Nobody finds what stands in a folder that was lost.
            if !parent.is_empty() && !tree.contains_key(parent) {
                continue;
            }
            let target = folder.join(path);
            match node {
                Node::Folder => fs::create_dir(target).expect("a folder of our own"),
                Node::File(file) => {
                    let content = self.files[*file].after_cut(fate.data, rng);
                    fs::write(target, content).expect("a folder of our own");
                }
            }
        }
    }

    fn names(&self, names: Names, rng: &mut Rng) -> Tree {
        match names {
            Names::Journal => self.journal.tree.clone(),
            Names::JournalAndMore => {
                let more = rng.below(self.journal.pending.len() as u64 + 1) as usize;
                self.journal.with(|at| at < more)
            }
            Names::Folder => self.folders.tree.clone(),
            Names::FolderAndSome => self.folders.with(|_| rng.chance(50)),
            Names::All => self.live.clone(),
        }
    }

    /// The path of a file that [`Disk::write_out`] makes with this generator, and that is not in `folder` as
    /// it was made.
    pub fn find_touched(&self, fate: Fate, rng: &mut Rng, folder: &Path) -> Option<String> {
        let again = tempfile::tempdir().expect("a temporary folder");
        self.write_out(fate, rng, again.path());
        let mut paths = Vec::new();
        list(again.path(), "", &mut paths);
        let is_file = |path: &String| again.path().join(path).is_file();
        let is_touched =
            |path: &String| fs::read(again.path().join(path)).ok() != fs::read(folder.join(path)).ok();
        paths.into_iter().find(|path| is_file(path) && is_touched(path))
    }

    /// Asserts that `folder` is what the trace says it is now, byte for byte: the recorder missed nothing.
    pub fn assert_is(&self, folder: &Path) {
        let mut found = Vec::new();
        list(folder, "", &mut found);
        found.sort();
        assert_eq!(found, self.live.keys().cloned().collect::<Vec<_>>(), "files of the recorded folder");
        for (path, node) in &self.live {
            if let Node::File(file) = node {
                let content = fs::read(folder.join(path)).expect("it was listed");
                assert!(content == self.files[*file].live, "{path} holds something else than was recorded");
            }
        }
    }
}

/// The paths below a folder.
fn list(folder: &Path, inner: &str, found: &mut Vec<String>) {
    let entries = fs::read_dir(folder.join(inner)).expect("the recorded folder");
    for entry in entries.map(|entry| entry.expect("the recorded folder")) {
        let name = entry.file_name().into_string().expect("the agent's file names are ASCII");
        let path = if inner.is_empty() { name } else { format!("{inner}/{name}") };
        found.push(path.clone());
        if entry.file_type().expect("the recorded folder").is_dir() {
            list(folder, &path, found);
        }
    }
}

impl File {
    fn after_cut(&self, data: Data, rng: &mut Rng) -> Vec<u8> {
        match data {
            Data::Synced => self.synced.clone(),
            Data::Prefix if self.live.starts_with(&self.synced) => {
                let more = rng.below((self.live.len() - self.synced.len()) as u64 + 1) as usize;
                self.live[..self.synced.len() + more].to_vec()
            }
            // Not appended to, but cut or begun anew: it is the old file or the new one.
            Data::Prefix if rng.chance(50) => self.live.clone(),
            Data::Prefix => self.synced.clone(),
            Data::Pages(size) => self.pages(size, rng),
        }
    }

    fn pages(&self, size: usize, rng: &mut Rng) -> Vec<u8> {
        let length = if rng.chance(50) { self.live.len() } else { self.synced.len() };
        let mut content = self.synced.clone();
        content.resize(length, 0);
        let common = self.live.len().min(length);
        for (page, live) in content[..common].chunks_mut(size).zip(self.live[..common].chunks(size)) {
            if page != live && rng.chance(50) {
                page.copy_from_slice(live);
            }
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const BOTH: [Names; 2] = [Names::Journal, Names::Folder];

    fn open(file: u64, path: &str) -> Event {
        Event::Opened { file, path: path.into(), creates: true, truncates: false }
    }

    fn write(file: u64, offset: usize, data: &str) -> Event {
        Event::Written { file, offset, data: data.into() }
    }

    /// A folder with the file `a`, whose name and content are synced, and what happened since.
    fn disk(since: &[Event]) -> Disk {
        let mut disk = Disk::default();
        let begin = [open(1, "a"), write(1, 0, "old"), open(9, "")];
        let syncs = [(1, 1), (9, 2)]
            .map(|(file, sync)| [Event::SyncBegun { file, sync }, Event::SyncEnded { sync }])
            .concat();
        begin.iter().chain(&syncs).chain(since).for_each(|event| disk.apply(event));
        disk
    }

    /// What a cut leaves: paths and contents.
    fn left(disk: &Disk, names: Names, data: Data, seed: u64) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        disk.write_out(Fate { names, data }, &mut Rng::new(seed), folder.path());
        let mut paths = Vec::new();
        list(folder.path(), "", &mut paths);
        paths.sort();
        let read = |path: &String| (path.clone(), fs::read_to_string(folder.path().join(path)).unwrap());
        paths.iter().map(read).collect()
    }

    #[track_caller]
    fn assert_left(disk: &Disk, names: Names, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect();
        assert_eq!(left(disk, names, Data::Synced, 0), expected, "{names:?}");
    }

    #[test]
    fn what_was_written_and_not_synced_is_gone() {
        for names in BOTH {
            assert_left(&disk(&[write(1, 3, "new")]), names, &[("a", "old")]);
        }
    }

    #[test]
    fn a_sync_covers_what_came_before_it_began_and_holds_once_it_returned() {
        let (begun, ended) = (Event::SyncBegun { file: 1, sync: 3 }, Event::SyncEnded { sync: 3 });
        let events = [write(1, 3, "1"), begun, write(1, 4, "2"), ended];
        assert_left(&disk(&events[..3]), Names::Journal, &[("a", "old")]);
        assert_left(&disk(&events), Names::Journal, &[("a", "old1")]);
    }

    #[test]
    fn a_new_name_is_kept_by_a_sync_of_its_file_only_where_there_is_a_journal() {
        let sync = [Event::SyncBegun { file: 2, sync: 3 }, Event::SyncEnded { sync: 3 }];
        let disk = disk(&[&[open(2, "b"), write(2, 0, "b")][..], &sync].concat());
        assert_left(&disk, Names::Journal, &[("a", "old"), ("b", "b")]);
        assert_left(&disk, Names::Folder, &[("a", "old")]);
    }

    #[test]
    fn a_removal_or_a_new_name_may_come_back_until_the_folder_is_synced() {
        let rename = Event::Renamed { from: "a".into(), to: "b".into() };
        let removal = Event::Removed { path: "b".into() };
        let sync = [Event::SyncBegun { file: 9, sync: 3 }, Event::SyncEnded { sync: 3 }];
        for names in BOTH {
            assert_left(&disk(std::slice::from_ref(&rename)), names, &[("a", "old")]);
            assert_left(&disk(&[&[rename.clone()][..], &sync].concat()), names, &[("b", "old")]);
            assert_left(&disk(&[&[rename.clone(), removal.clone()][..], &sync].concat()), names, &[]);
        }
        assert_left(&disk(&[rename, removal]), Names::All, &[]);
    }

    #[test]
    fn a_torn_append_leaves_any_part_of_it_and_lost_pages_leave_zeros() {
        let appended = disk(&[write(1, 3, "0123")]);
        let contents = |data| -> BTreeSet<String> {
            (0..200).map(|seed| left(&appended, Names::Journal, data, seed)[0].1.clone()).collect()
        };
        let prefixes = ["old", "old0", "old01", "old012", "old0123"];
        assert_eq!(contents(Data::Prefix), prefixes.map(str::to_owned).into());
        let pages = ["old", "old\0\0\0\0", "old0\0\0\0", "old\x00123", "old0123"];
        assert_eq!(contents(Data::Pages(4)), pages.map(str::to_owned).into());
    }
}
