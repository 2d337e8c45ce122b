//! sd_listen_fds(3): a listening socket that the service manager holds open across restarts.

use anyhow::{Context, bail, ensure};
use listenfd::ListenFd;
use socket2::SockRef;
use std::net::TcpListener;

/// Takes the socket that was passed to this process, if one was. Call it before any other thread is started, and once:
/// it takes the variables out of the environment.
///
/// # Errors
///
/// What was passed is not one listening TCP socket. To listen elsewhere instead would leave pushers in front of a socket
/// that nobody serves.
pub fn passed_listener() -> anyhow::Result<Option<TcpListener>> {
    // Where the variable names another process, this one got them from a parent that did not clean up.
    if !is_meant(std::env::var("LISTEN_PID").ok().as_deref(), std::process::id()) {
        return Ok(None);
    }
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => return Ok(None),
        1 => {}
        more => bail!(
            "the service manager passed {more} sockets and the agent serves one: leave one ListenStream= in pmm-buffer.socket"
        ),
    }
    let wanted = "the agent serves a listening TCP socket: ListenStream=IP:PORT in pmm-buffer.socket, without Accept=yes";
    let listener =
        passed.take_tcp_listener(0).context(wanted)?.context("BUG: the socket was taken before")?;
    let is_listening = SockRef::from(&listener).is_listener().context(wanted)?;
    ensure!(is_listening, "the socket that the service manager passed does not listen; {wanted}");
    // It may be shared with the service manager, which does not accept.
    listener.set_nonblocking(true).context("cannot use the socket that the service manager passed")?;
    Ok(Some(listener))
}

fn is_meant(listen_pid: Option<&str>, own: u32) -> bool {
    listen_pid.is_some_and(|pid| pid.parse() == Ok(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_for_the_process_that_is_named() {
        assert!(is_meant(Some("7"), 7));
        assert!(!is_meant(Some("8"), 7) && !is_meant(Some(""), 7) && !is_meant(None, 7));
    }
}
