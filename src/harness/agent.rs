//! The agent as a child process, driven by what a service manager and a power cut do to it.

use super::{Client, Usage};
use crate::status::Status;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Wait between looks at a process.
const POLL: Duration = Duration::from_millis(10);

/// Lines of the log that stand in an error.
const LOG_TAIL: usize = 20;

/// How to start the agent; the same each time, so that it comes back on its queue.
#[derive(Debug, Clone)]
pub struct Launch {
    pub binary: PathBuf,
    pub args: Vec<OsString>,
    /// Variables of its environment, beside the caller's; the caller's own `PMM_BUFFER_*` are not passed on.
    pub env: Vec<(OsString, OsString)>,
    /// Where it listens: what the arguments or the file say.
    pub address: SocketAddr,
    /// What it writes to stdout and stderr goes to the end of this file.
    pub log: PathBuf,
    /// A socket that is passed as a service manager does, see sd_listen_fds(3). It stays open here.
    pub passed: Option<Arc<OwnedFd>>,
    /// Puts it into a process group of its own, so that a kill takes what it has started along. A terminal's Ctrl-C then goes
    /// past it.
    pub own_group: bool,
}

/// Passes stdin on as the first descriptor after the standard ones; a shell, as only the process itself knows its id.
const PASS_STDIN: &str = r#"exec 3<&0 </dev/null; LISTEN_FDS=${LISTEN_FDS:-1} LISTEN_PID=$$ exec "$0" "$@""#;

impl Launch {
    /// Any program that listens on `address`: the agent, or a real peer of it.
    pub fn new(binary: &Path, args: Vec<OsString>, address: SocketAddr, log: &Path) -> Self {
        Self {
            binary: binary.into(),
            args,
            env: Vec::new(),
            address,
            log: log.into(),
            passed: None,
            own_group: false,
        }
    }

    /// `run` with flags alone.
    pub fn flags(binary: &Path, address: SocketAddr, data_dir: &Path, url: &str, log: &Path) -> Self {
        let args = vec![
            "run".into(),
            "--listen".into(),
            address.to_string().into(),
            "--data-dir".into(),
            data_dir.into(),
            "--remote-write-url".into(),
            url.into(),
        ];
        Self::new(binary, args, address, log)
    }

    /// `run` with a configuration file, which says to listen on `address`.
    pub fn config(binary: &Path, address: SocketAddr, file: &Path, log: &Path) -> Self {
        let args = vec!["run".into(), "--config".into(), file.into()];
        Self::new(binary, args, address, log)
    }

    /// Starts the process. [`Agent::ready`] says when it takes pushes.
    pub fn start(&self) -> io::Result<Agent> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.command()?;
        command.args(&self.args).stdout(log.try_clone()?).stderr(log);
        remove_settings(&mut command, std::env::vars_os().map(|(name, _)| name));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if self.own_group {
            command.process_group(0);
        }
        let child = command.spawn()?;
        Ok(Agent { child, address: self.address, log: self.log.clone(), has_group: self.own_group })
    }

    fn command(&self) -> io::Result<Command> {
        let Some(passed) = &self.passed else {
            let mut command = Command::new(&self.binary);
            command.stdin(Stdio::null());
            return Ok(command);
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", PASS_STDIN]).arg(&self.binary).stdin(passed.try_clone()?);
        Ok(command)
    }
}

/// Takes out the agent's own variables: the caller's settings are not the child's.
fn remove_settings(command: &mut Command, names: impl Iterator<Item = OsString>) {
    for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"PMM_BUFFER_")) {
        command.env_remove(name);
    }
}

/// A running agent. Dropped, it is killed.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    /// The process leads a group of its own.
    has_group: bool,
}

impl Agent {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/ready` answers 200. An error has the end of the log in it.
    pub async fn ready(&mut self, patience: Duration) -> io::Result<()> {
        self.answers("/ready", patience).await
    }

    /// Waits until `path` answers 200: a peer may have no `/ready`. An error has the end of the log in it.
    pub async fn answers(&mut self, path: &str, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        let mut client = Client::new(self.address);
        let why = loop {
            if let Some(status) = self.child.try_wait()? {
                break format!("the agent ended with {status}");
            }
            let asked = tokio::time::timeout_at(deadline, client.get(path)).await;
            match asked {
                Ok(Ok(answer)) if answer.status == 200 => return Ok(()),
                Ok(_) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                _ => break format!("the agent is not ready after {patience:?}"),
            }
        };
        Err(io::Error::other(format!("{why}; the end of its log:\n{}", self.log_tail())))
    }

    /// What `/api/v1/status` says.
    pub async fn status(&self) -> io::Result<Status> {
        let answer = Client::new(self.address).get("/api/v1/status").await?;
        serde_json::from_slice(&answer.body).map_err(io::Error::other)
    }

    /// kill -9. Returns once the process is gone.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        // Not reaped yet, so the number cannot have gone to another group.
        if self.has_group && self.child.try_wait()?.is_none() {
            kill_process_group(self.pid(), Signal::KILL)?;
        }
        self.child.kill()?;
        self.child.wait()
    }

    /// SIGTERM. Returns how the process ended; an error where it did not within `patience`.
    pub async fn terminate(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!(
                    "the agent still runs {patience:?} after SIGTERM; the end of its log:\n{}",
                    self.log_tail()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// SIGHUP: reload the configuration.
    pub fn reload(&mut self) -> io::Result<()> {
        self.signal(Signal::HUP)
    }

    /// How the process ended, if it did.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        // Not reaped yet, so the number cannot have gone to another process.
        if self.child.try_wait()?.is_some() {
            return Err(io::Error::other("the agent has ended"));
        }
        Ok(kill_process(self.pid(), signal)?)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32).expect("BUG: a child has an id above 0")
    }

    /// What the process and those it started have taken so far. An error where it has ended.
    pub fn tree_usage(&self) -> io::Result<Usage> {
        Usage::of_tree(self.child.id())
    }

    /// All that was written to the log by every agent of this launch.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of [`Agent::log`].
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Fails where the process has ended already.
        let _ = self.kill();
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
