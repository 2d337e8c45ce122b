//! `pmm-buffer vmagent-shim`, and what a link named `pmm-buffer-vmagent` to the program does: hands over where vmagent was
//! meant to send to, and becomes vmagent, which sends to the buffer.
//!
//! Whatever is wrong, vmagent runs: unchanged where it cannot be told what it was meant to do, and standard error, which
//! is pmm-agent's log, says so. It is the same process, so that signals and the death of pmm-agent reach vmagent.
//!
//! Exit status: vmagent's own; 1 where there is no vmagent to be started.

use crate::atomic_file;
use crate::cli;
use crate::shim::{self, HandOver, Notes, Plan, Start};
use anyhow::{Context, ensure};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The bit of a folder whose files take over its group.
const SET_GROUP: u32 = 0o2000;

/// Becomes vmagent.
pub fn run(args: cli::VmagentShim) -> anyhow::Result<ExitCode> {
    become_vmagent(args.notes.as_deref(), args.arguments)
}

/// The path that the program was called by, if that is a link of vmagent's name.
pub fn link() -> Option<PathBuf> {
    let link = PathBuf::from(std::env::args_os().next()?);
    link.file_name().is_some_and(|name| name == shim::NAME).then_some(link)
}

/// Becomes vmagent, as the notes beside this link say.
pub fn by_link(link: &Path) -> anyhow::Result<ExitCode> {
    become_vmagent(Some(&Notes::path_of(link)), std::env::args_os().skip(1).collect())
}

fn become_vmagent(notes: Option<&Path>, args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let start = Start { args, env: std::env::vars_os().collect() };
    let (start, notes) = match notes.map_or(Ok(Notes::default()), Notes::read) {
        Ok(notes) => (redirected(start, &notes), notes),
        Err(error) => {
            let path = notes.map(|path| path.display().to_string()).unwrap_or_default();
            say(&format!("vmagent runs unchanged, past the buffer: {path} cannot be read: {error}"));
            (start, Notes::default())
        }
    };
    let vmagent = &notes.vmagent;
    ensure!(!is_this_program(vmagent), "{} is pmm-buffer itself, not vmagent", vmagent.display());
    let error = Command::new(vmagent).args(start.args).env_clear().envs(start.env).exec();
    Err(error).with_context(|| {
        format!("cannot start {}; `pmm-buffer pmm-agent install` notes where vmagent is", vmagent.display())
    })
}

/// What vmagent is started with, once the buffer knows where to send to.
fn redirected(start: Start, notes: &Notes) -> Start {
    let Plan { hand_over, start: redirected } = match shim::plan(start.clone(), &notes.buffer) {
        Ok(plan) => plan,
        Err(unclear) => {
            say(&format!("vmagent runs unchanged, past the buffer: {unclear}"));
            return start;
        }
    };
    let Some(hand_over) = hand_over else {
        say("vmagent was told to send to the buffer: it runs unchanged");
        return redirected;
    };
    if let Err(error) = write(&notes.hand_over, &hand_over) {
        let path = notes.hand_over.display();
        say(&format!("vmagent runs unchanged, past the buffer: {path} cannot be written: {error}"));
        return start;
    }
    say(&format!("vmagent sends to {}, to be sent on to {}", notes.buffer, hand_over.public_url()));
    redirected
}

/// Writes the hand-over for this user alone, and where `pmm-agent install` made the folder, for the buffer's group to
/// read. What is the same is not written again: a full disk keeps no vmagent from starting.
fn write(path: &Path, hand_over: &HandOver) -> io::Result<()> {
    let json = hand_over.to_json();
    let folder = fs::metadata(path.parent().unwrap_or(Path::new("/")))?;
    let mode = if folder.permissions().mode() & SET_GROUP == 0 { 0o600 } else { 0o640 };
    let is_same = fs::read(path).is_ok_and(|bytes| bytes == json.as_bytes())
        && fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o777 == mode);
    if is_same { Ok(()) } else { atomic_file::replace(path, json.as_bytes(), mode, None) }
}

/// By its file: started again and again, it would never become vmagent.
fn is_this_program(path: &Path) -> bool {
    let own = fs::canonicalize("/proc/self/exe");
    own.is_ok_and(|own| fs::canonicalize(path).is_ok_and(|path| path == own))
}

fn say(what: &str) {
    eprintln!("pmm-buffer: {what}");
}
