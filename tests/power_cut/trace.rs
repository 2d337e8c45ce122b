//! The recorder: compiled with the compiler that RocksDB needs anyway, loaded into the agent; and its trace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One thing that happened. Paths are relative to the recorded folder; "" is the folder itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `path` was opened as `file`, a number that no other open has.
    Opened {
        file: u64,
        path: String,
        creates: bool,
        truncates: bool,
    },
    Written {
        file: u64,
        offset: usize,
        data: Vec<u8>,
    },
    Truncated {
        file: u64,
        size: usize,
    },
    Extended {
        file: u64,
        size: usize,
    },
    /// Covers what came before it in the trace…
    SyncBegun {
        file: u64,
        sync: u64,
    },
    /// …and from here on that is durable.
    SyncEnded {
        sync: u64,
    },
    Renamed {
        from: String,
        to: String,
    },
    Linked {
        from: String,
        to: String,
    },
    Removed {
        path: String,
    },
    FolderMade {
        path: String,
    },
    /// Success is about to be sent to the pusher whose connection has this port.
    Answered {
        port: u16,
    },
    /// Success came in from the upstream.
    Settled,
}

/// Numbers of `enum operation` in recorder.c.
mod operation {
    pub const OPENED: u32 = 1;
    pub const WRITTEN: u32 = 2;
    pub const TRUNCATED: u32 = 3;
    pub const EXTENDED: u32 = 4;
    pub const SYNC_BEGUN: u32 = 5;
    pub const SYNC_ENDED: u32 = 6;
    pub const RENAMED: u32 = 7;
    pub const LINKED: u32 = 8;
    pub const REMOVED: u32 = 9;
    pub const FOLDER_MADE: u32 = 10;
    pub const ANSWERED: u32 = 11;
    pub const SETTLED: u32 = 12;
}

/// A recorder for what happens below one folder.
pub struct Recorder {
    library: PathBuf,
    folder: PathBuf,
    trace: PathBuf,
}

impl Recorder {
    /// Compiles it into `scratch`. `folder` is absolute.
    pub fn compile(scratch: &Path, folder: &Path) -> Self {
        let library = scratch.join("recorder.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_cut/recorder.c");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let output = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .unwrap_or_else(|error| panic!("cannot run the C compiler {}: {error}", compiler.display()));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "recorder.c does not compile:\n{errors}");
        Self { library, folder: folder.to_owned(), trace: scratch.join("trace") }
    }

    /// Arguments of env(1) that start a program with the recorder in it. Each start continues the trace.
    pub fn arguments(&self) -> Vec<OsString> {
        let set = |name: &str, value: &Path| {
            let mut setting = OsString::from(name);
            setting.push("=");
            setting.push(value);
            setting
        };
        vec![
            set("LD_PRELOAD", &self.library),
            set("POWER_CUT_FOLDER", &self.folder),
            set("POWER_CUT_TRACE", &self.trace),
        ]
    }

    /// What was recorded so far, by programs that have ended.
    pub fn events(&self) -> Vec<Event> {
        let bytes = std::fs::read(&self.trace).expect("the recorder was loaded and wrote its trace");
        let mut rest = &bytes[..];
        let mut events = Vec::new();
        while !rest.is_empty() {
            events.push(self.event(&mut rest));
        }
        events
    }

    /// Takes the first event, a `struct event` and its payload, off `bytes`.
    fn event(&self, bytes: &mut &[u8]) -> Event {
        let (head, rest) = bytes.split_at(24);
        let word = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().expect("4 bytes"));
        let long = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().expect("8 bytes"));
        let (payload, rest) = rest.split_at(word(4) as usize);
        *bytes = rest;
        let (file, value) = (long(8), long(16));
        let size = value as usize;
        let path = || self.relative(payload);
        let paths = || {
            let zero = payload.iter().position(|&byte| byte == 0).expect("two paths");
            (self.relative(&payload[..zero]), self.relative(&payload[zero + 1..]))
        };
        match word(0) {
            operation::OPENED => {
                Event::Opened { file, path: path(), creates: value & 1 != 0, truncates: value & 2 != 0 }
            }
            operation::WRITTEN => Event::Written { file, offset: size, data: payload.to_vec() },
            operation::TRUNCATED => Event::Truncated { file, size },
            operation::EXTENDED => Event::Extended { file, size },
            operation::SYNC_BEGUN => Event::SyncBegun { file, sync: value },
            operation::SYNC_ENDED => Event::SyncEnded { sync: value },
            operation::RENAMED => {
                let (from, to) = paths();
                Event::Renamed { from, to }
            }
            operation::LINKED => {
                let (from, to) = paths();
                Event::Linked { from, to }
            }
            operation::REMOVED => Event::Removed { path: path() },
            operation::FOLDER_MADE => Event::FolderMade { path: path() },
            operation::ANSWERED => Event::Answered { port: value as u16 },
            operation::SETTLED => Event::Settled,
            other => panic!("the trace has an event of kind {other}"),
        }
    }

    fn relative(&self, path: &[u8]) -> String {
        let path = std::str::from_utf8(path).expect("the agent's file names are ASCII");
        let inner = path.strip_prefix(self.folder.to_str().expect("UTF-8")).expect("a path of the folder");
        inner.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }
}
