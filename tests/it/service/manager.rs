//! A stand-in for the service manager: the socket that it listens on.

use crate::stage::Stage;
use pmm_buffer::harness::wait::until;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// What the tests' watchdog wants to hear; the agent looks at itself four times as often.
pub const WATCHDOG: Duration = Duration::from_millis(500);

/// Hears what the agents of one stage say.
pub struct Manager {
    socket: UnixDatagram,
    lines: Vec<String>,
    beat: Option<Instant>,
}

impl Manager {
    /// Listens on a path.
    pub fn on(stage: &mut Stage) -> Self {
        let path = stage.folder.path().join("notify");
        Self::listen(stage, UnixDatagram::bind(&path).expect("a free name"), path.into())
    }

    /// Listens on an abstract name.
    pub fn on_abstract_name(stage: &mut Stage) -> Self {
        let name = stage.folder.path().display().to_string();
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        Self::listen(
            stage,
            UnixDatagram::bind_addr(&address).expect("a free name"),
            format!("@{name}").into(),
        )
    }

    fn listen(stage: &mut Stage, socket: UnixDatagram, name: OsString) -> Self {
        socket.set_nonblocking(true).expect("a socket");
        stage.launch.env.extend([
            ("NOTIFY_SOCKET".into(), name),
            ("WATCHDOG_USEC".into(), WATCHDOG.as_micros().to_string().into()),
        ]);
        Self { socket, lines: Vec::new(), beat: None }
    }

    /// All that was said but for beats, line by line.
    pub fn heard(&mut self) -> &[String] {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..length]).expect("text");
            let (beats, lines): (Vec<_>, Vec<_>) = text.lines().partition(|line| *line == "WATCHDOG=1");
            if !beats.is_empty() {
                self.beat = Some(Instant::now());
            }
            self.lines.extend(lines.into_iter().map(str::to_owned));
        }
        &self.lines
    }

    /// Whether it was fed within its interval: systemd would not end the agent.
    pub fn is_content(&mut self) -> bool {
        self.heard();
        self.beat.is_some_and(|beat| beat.elapsed() < WATCHDOG)
    }

    /// Waits until a line that was not there at the last call holds `text`, and forgets all up to it.
    pub async fn hears(&mut self, text: &str) -> String {
        let mut found = None;
        until(&format!("it says {text:?}"), || {
            found = self.heard().iter().position(|line| line.contains(text));
            found.is_some()
        })
        .await;
        self.lines.drain(..=found.expect("waited for")).next_back().expect("one line at least")
    }
}
