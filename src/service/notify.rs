//! sd_notify(3): lines in a datagram to the socket that the environment names.
//!
//! Our own, see docs/decisions/007-systemd.md.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A service manager that does not read must not hold up the agent.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// What can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word<'a> {
    Ready,
    /// With the monotonic clock, which `Type=notify-reload` compares.
    Reloading {
        monotonic_us: u64,
    },
    Stopping,
    Watchdog,
    /// One line.
    Status(&'a str),
}

/// Where the service manager listens.
#[derive(Debug)]
pub struct Notify {
    socket: UnixDatagram,
    to: SocketAddr,
}

impl Notify {
    /// The socket in `NOTIFY_SOCKET`; none where no service manager asks.
    ///
    /// # Errors
    ///
    /// A name that is none, or of a kind of socket that is not spoken here.
    pub fn from_env() -> io::Result<Option<Self>> {
        let name: Option<OsString> = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        name.map(|name| Self::new(&name)).transpose()
    }

    /// `name` is an absolute path, or an abstract name behind an `@`.
    pub fn new(name: &OsStr) -> io::Result<Self> {
        let to = match name.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name)?,
            _ => {
                let what = format!("NOTIFY_SOCKET is {name:?}, neither an absolute path nor @ and a name");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self { socket, to })
    }

    /// Says all of `words` in one datagram. The name is looked up each time: a service manager that starts anew has a new
    /// socket.
    pub(super) fn say(&self, words: &[Word<'_>]) -> io::Result<()> {
        self.socket.send_to_addr(encode(words).as_bytes(), &self.to).map(drop)
    }
}

fn encode(words: &[Word<'_>]) -> String {
    let line = |word: &Word<'_>| match word {
        Word::Ready => "READY=1\n".to_owned(),
        Word::Reloading { monotonic_us } => format!("RELOADING=1\nMONOTONIC_USEC={monotonic_us}\n"),
        Word::Stopping => "STOPPING=1\n".to_owned(),
        Word::Watchdog => "WATCHDOG=1\n".to_owned(),
        Word::Status(text) => format!("STATUS={text}\n"),
    };
    words.iter().map(line).collect()
}

/// How often the service manager wants to hear from this process at least; none where it does not watch it. See
/// sd_watchdog_enabled(3).
pub(super) fn watchdog_from_env() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    watchdog(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref(), std::process::id())
}

fn watchdog(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let usec = usec?.parse().ok().filter(|usec| *usec > 0 && is_meant)?;
    Some(Duration::from_micros(usec))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("a datagram");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_path_is_reached_also_when_it_is_made_anew() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let notify = Notify::new(path.as_os_str()).expect("a path");
        notify.say(&[Word::Ready]).expect_err("nobody listens");
        for _ in 0..2 {
            let manager = UnixDatagram::bind(&path).expect("a free name");
            notify.say(&[Word::Ready, Word::Status("at work")]).expect("it listens");
            assert_eq!(received(&manager), "READY=1\nSTATUS=at work\n");
            std::fs::remove_file(&path).expect("it is there");
        }
    }

    #[test]
    fn an_abstract_name_is_reached() {
        let name = format!("pmm-buffer-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let manager = UnixDatagram::bind_addr(&address).expect("a free name");
        let notify = Notify::new(OsStr::new(&format!("@{name}"))).expect("a name");
        notify
            .say(&[Word::Reloading { monotonic_us: 7 }, Word::Stopping, Word::Watchdog])
            .expect("it listens");
        assert_eq!(received(&manager), "RELOADING=1\nMONOTONIC_USEC=7\nSTOPPING=1\nWATCHDOG=1\n");
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["relative", "vsock:2:1234", "@"] {
            let error = Notify::new(OsStr::new(name)).expect_err("no such socket");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let _deaf = UnixDatagram::bind(&path).expect("a free name");
        let notify = Notify::new(path.as_os_str()).expect("a path");
        let mut said = 0;
        let error = loop {
            match notify.say(&[Word::Watchdog]) {
                Ok(()) => said += 1,
                Err(error) => break error,
            }
        };
        assert!(said > 0 && error.kind() == io::ErrorKind::WouldBlock, "{error} after {said}");
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_is_named() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("1000000"), None, 7), second);
        assert_eq!(watchdog(Some("1000000"), Some("7"), 7), second);
        for (usec, pid) in
            [(Some("1000000"), Some("8")), (Some("0"), None), (Some("soon"), None), (None, Some("7"))]
        {
            assert_eq!(watchdog(usec, pid, 7), None, "{usec:?} {pid:?}");
        }
    }
}
