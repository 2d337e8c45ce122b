//! What the shim is told about this host: a small JSON file beside the link that pmm-agent starts.

use crate::pmm_agent::Edit;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where PMM Client has vmagent: PMM 3, then PMM 2.
const VMAGENTS: [&str; 2] =
    ["/usr/local/percona/pmm/exporters/vmagent", "/usr/local/percona/pmm2/exporters/vmagent"];

/// Written by `pmm-agent install`; each key has its default, so that a bare link works on a host with default paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notes {
    /// The real vmagent. Default: where PMM Client 3 has it, else PMM Client 2.
    pub vmagent: PathBuf,
    /// Where the buffer takes remote write. Default `http://127.0.0.1:9431/api/v1/write`.
    pub buffer: String,
    /// The file that is handed over. Default `/var/lib/pmm-buffer-shim/upstream.json`.
    pub hand_over: PathBuf,
    /// The pmm-agent.yaml that `pmm-agent install` changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// What it changed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
}

impl Default for Notes {
    fn default() -> Self {
        let found = VMAGENTS.iter().find(|path| Path::new(path).exists());
        Self {
            vmagent: found.unwrap_or(&VMAGENTS[0]).into(),
            buffer: "http://127.0.0.1:9431/api/v1/write".into(),
            hand_over: "/var/lib/pmm-buffer-shim/upstream.json".into(),
            config: None,
            edit: None,
        }
    }
}

impl Notes {
    /// The notes that belong to a link: its path with `.json` after it.
    pub fn path_of(link: &Path) -> PathBuf {
        let mut path = link.as_os_str().to_owned();
        path.push(".json");
        path.into()
    }

    /// Reads notes; defaults where there are none.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is not JSON with these keys.
    pub fn read(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}
