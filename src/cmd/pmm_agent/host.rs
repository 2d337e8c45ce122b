//! What is on this host: pmm-agent's file, vmagent and its queue, the buffer, and the folder between them.

use crate::atomic_file;
use crate::cli::AgentPlace;
use crate::pmm_agent::AgentFile;
use crate::shim::{NAME, Notes};
use anyhow::{Context, bail, ensure};
use hyper::Uri;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where PMM Client has its file: version 3, then version 2.
const CONFIGS: [&str; 2] =
    ["/usr/local/percona/pmm/config/pmm-agent.yaml", "/usr/local/percona/pmm2/config/pmm-agent.yaml"];

/// The folder between both, where nothing else is said.
const FOLDER: &str = "/var/lib/pmm-buffer-shim";

/// The buffer's own folder: its group is that of the buffer.
const DATA_DIR: &str = "/var/lib/pmm-buffer";

/// The buffer answers from memory: what takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// pmm-agent.yaml as it is.
pub(super) struct Yaml {
    /// With links followed: what is replaced is the file, not the link.
    pub(super) path: PathBuf,
    pub(super) text: String,
    mode: u32,
    owner: (u32, u32),
}

/// Where a pmm-agent.yaml is: the one that was given, else those that PMM Client has, the newest first, and the one that was
/// changed before.
pub(super) fn configs(place: &AgentPlace) -> Vec<PathBuf> {
    if let Some(given) = &place.config {
        return vec![given.clone()];
    }
    let folder = place.folder.as_deref().unwrap_or(Path::new(FOLDER));
    let changed = Notes::read(&Notes::path_of(&folder.join(NAME))).ok().and_then(|notes| notes.config);
    let known = CONFIGS.iter().map(PathBuf::from);
    known.chain(changed).filter(|path| path.exists()).collect()
}

/// The first of them that has the buffer's link in it, else the first: what an upgrade of PMM Client left behind is not meant.
pub(super) fn changed_config(place: &AgentPlace) -> Option<PathBuf> {
    let mut configs = configs(place);
    let has_link = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains(NAME));
    let at = configs.iter().position(has_link).unwrap_or(0);
    (at < configs.len()).then(|| configs.swap_remove(at))
}

/// Asks systemd to do this with pmm-agent.
pub(super) fn systemctl(verb: &str) -> anyhow::Result<()> {
    let ran = Command::new("systemctl").args([verb, "pmm-agent.service"]).stdin(Stdio::null()).output();
    let ran = ran.with_context(|| format!("cannot run systemctl {verb} pmm-agent.service"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "systemctl {verb} pmm-agent.service: {}", said.trim());
    Ok(())
}

impl Yaml {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || {
            let path = fs::canonicalize(path)?;
            let metadata = fs::metadata(&path)?;
            let owner = (metadata.uid(), metadata.gid());
            let mode = metadata.permissions().mode() & 0o7777;
            Ok(Self { text: fs::read_to_string(&path)?, path, mode, owner })
        };
        let read: io::Result<Self> = read();
        read.with_context(|| format!("cannot read {}", path.display()))
    }

    pub(super) fn parsed(&self) -> anyhow::Result<AgentFile> {
        AgentFile::read(&self.text).with_context(|| self.path.display().to_string())
    }

    /// Puts another text in its place, with its owner and mode.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        let now = fs::read_to_string(&self.path);
        ensure!(
            now.is_ok_and(|now| now == self.text),
            "{} was changed meanwhile: run this again",
            self.path.display()
        );
        atomic_file::replace(&self.path, text.as_bytes(), self.mode, Some(self.owner))
            .with_context(|| format!("cannot write {}; run this as root", self.path.display()))
    }
}

/// The folder between pmm-agent and the buffer, and the buffer.
pub(super) struct Host {
    folder: PathBuf,
    /// `IP:port` or `host:port`
    listener: String,
}

/// What the link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// To this program.
    Here,
    /// To another, or nowhere.
    Elsewhere,
}

impl Host {
    /// `vmagent` is what pmm-agent.yaml says, which may be the link of a folder that was given before.
    pub(super) fn of(place: &AgentPlace, vmagent: Option<&str>) -> anyhow::Result<Self> {
        let uri: Uri = place.url.parse().with_context(|| format!("{} is not a URL", place.url))?;
        let listener = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let Some(listener) = listener.filter(|listener| !listener.as_str().contains('@')) else {
            bail!("{} is not the URL of a buffer: write it as in http://127.0.0.1:9431", place.url);
        };
        let port = listener.port_u16().unwrap_or(80);
        let link = vmagent.map(Path::new).filter(|path| path.is_absolute() && path.ends_with(NAME));
        let folder = place.folder.as_deref().or_else(|| link?.parent()).unwrap_or(Path::new(FOLDER));
        let folder = std::path::absolute(folder)?;
        Ok(Self { folder, listener: format!("{}:{port}", listener.host()) })
    }

    fn link(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// What `paths.vmagent` says when it is installed.
    pub(super) fn link_text(&self) -> anyhow::Result<String> {
        self.link().into_os_string().into_string().ok().context("the path of the folder is not UTF-8")
    }

    pub(super) fn notes_path(&self) -> PathBuf {
        Notes::path_of(&self.link())
    }

    pub(super) fn notes(&self) -> anyhow::Result<Notes> {
        let path = self.notes_path();
        Notes::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    pub(super) fn hand_over(&self) -> PathBuf {
        self.folder.join("upstream.json")
    }

    pub(super) fn backup(&self) -> PathBuf {
        self.folder.join("pmm-agent.yaml.backup")
    }

    pub(super) fn write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.listener)
    }

    /// The URL that was handed over, without what may be a secret.
    pub(super) fn handed_over(&self) -> Option<String> {
        let json: Value = serde_json::from_slice(&fs::read(self.hand_over()).ok()?).ok()?;
        json["url"].as_str()?.split('?').next().map(str::to_owned)
    }

    /// An error where the buffer does not take pushes.
    pub(super) fn expect_ready(&self) -> anyhow::Result<()> {
        let answer = self.ask_ready().with_context(|| {
            format!("the buffer does not answer at http://{}: start it, or give --url", self.listener)
        })?;
        ensure!(
            answer.starts_with("HTTP/1.1 200"),
            "http://{}/ready answers {:?}: the buffer does not take pushes, `pmm-buffer status` says why",
            self.listener,
            answer.lines().next().unwrap_or_default()
        );
        Ok(())
    }

    fn ask_ready(&self) -> io::Result<String> {
        let address = self.listener.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.listener)?;
        let mut answer = Vec::new();
        stream.take(64 << 10).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Makes the folder and what pmm-agent needs in it, all of it pmm-agent's.
    pub(super) fn prepare(&self, notes: &Notes, yaml: &Yaml) -> anyhow::Result<()> {
        self.try_prepare(notes, yaml)
            .with_context(|| format!("cannot set up {}; run this as root", self.folder.display()))
    }

    fn try_prepare(&self, notes: &Notes, yaml: &Yaml) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        // Files there take over the buffer's group, which may read what is handed over.
        let buffer = fs::metadata(DATA_DIR).ok().map(|folder| folder.gid());
        let (user, group) = (yaml.owner.0, buffer.unwrap_or(yaml.owner.1));
        chown(&self.folder, Some(user), Some(group))?;
        let mode = if buffer.is_some() { 0o2750 } else { 0o700 };
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(mode))?;
        let owner = Some((user, group));
        let json = serde_json::to_string_pretty(notes).map_err(io::Error::other)?;
        atomic_file::replace(&self.backup(), yaml.text.as_bytes(), 0o600, owner)?;
        atomic_file::replace(&self.notes_path(), format!("{json}\n").as_bytes(), 0o640, owner)?;
        self.try_link_to(&std::env::current_exe()?, (user, group))
    }

    /// Has what pmm-agent starts lead to this program, at once: it may be starting it.
    fn try_link_to(&self, program: &Path, (user, group): (u32, u32)) -> io::Result<()> {
        let link = self.link();
        let temporary = self.folder.join(format!("{NAME}.{}.tmp", std::process::id()));
        let _ = fs::remove_file(&temporary);
        symlink(program, &temporary)?;
        let linked = lchown(&temporary, Some(user), Some(group)).and_then(|()| fs::rename(&temporary, &link));
        if linked.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        linked
    }

    /// Has a link that is there lead to this program.
    pub(super) fn link_to(&self, program: &Path) -> anyhow::Result<()> {
        let owner = || fs::metadata(&self.folder).map(|folder| (folder.uid(), folder.gid()));
        owner()
            .and_then(|owner| self.try_link_to(program, owner))
            .with_context(|| format!("cannot change {}; run this as root", self.link().display()))
    }

    /// Where the link leads.
    pub(super) fn leads_to(&self) -> anyhow::Result<Leads> {
        let own = std::env::current_exe().and_then(fs::canonicalize)?;
        let is_own = fs::canonicalize(self.link()).is_ok_and(|program| program == own);
        Ok(if is_own { Leads::Here } else { Leads::Elsewhere })
    }
}

/// An error where a path is not that of vmagent: it may be somebody else's wrapper. One that was `given` may have any
/// name.
pub(super) fn expect_vmagent(path: &Path, given: bool) -> anyhow::Result<()> {
    let shown = path.display();
    let metadata =
        fs::metadata(path).with_context(|| format!("there is no vmagent at {shown}: give --vmagent FILE"))?;
    ensure!(
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0,
        "{shown} is not a program: give --vmagent FILE"
    );
    let mut begin = Vec::new();
    File::open(path)
        .and_then(|file| file.take(2).read_to_end(&mut begin))
        .with_context(|| shown.to_string())?;
    let is_vmagent = path.file_name().is_some_and(|name| name == "vmagent") && begin != b"#!";
    ensure!(
        is_vmagent || given,
        "paths.vmagent is {shown}, another wrapper and not vmagent itself: take that out first, or give the real one \
         with --vmagent FILE"
    );
    let own = std::env::current_exe().and_then(fs::canonicalize);
    let is_own = own.is_ok_and(|own| fs::canonicalize(path).is_ok_and(|path| path == own));
    ensure!(!is_own, "{shown} is pmm-buffer itself: give the real vmagent with --vmagent FILE");
    Ok(())
}

/// Bytes that vmagent's queues on disk hold, by their own accounts.
pub(super) fn vmagent_queue_bytes(file: &AgentFile) -> u64 {
    // Where pmm-agent has it without `tempdir`.
    let base = file.paths_base.as_ref().map(|base| base.join("tmp"));
    let folder = file.tempdir.clone().or(base).unwrap_or_else(std::env::temp_dir);
    let queues = fs::read_dir(folder.join("vmagent-temp-dir/persistent-queue"));
    queues
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|queue| pending(&queue.path().join("metainfo.json")))
        .sum()
}

fn pending(metainfo: &Path) -> Option<u64> {
    let json: Value = serde_json::from_slice(&fs::read(metainfo).ok()?).ok()?;
    json["WriterOffset"].as_u64()?.checked_sub(json["ReaderOffset"].as_u64()?)
}
