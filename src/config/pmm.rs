//! `pmm: auto` in an entry of `remote_write`: where to send to, and with what, is what PMM says on this host.
//!
//! What is handed over has the keys of an entry, and stands for those that the entry itself does not have. It is put
//! into the tree before it is read, so that it is checked as if it had been written there.

use super::problem::{Problems, Spot};
use super::yaml::{self, Node, Value};
use crate::pmm_agent;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where `pmm: auto` looks: at what the shim handed over, then at pmm-agent's own file, of PMM Client 3 and 2.
const PLACES: [&str; 3] = [
    "/var/lib/pmm-buffer-shim/upstream.json",
    "/usr/local/percona/pmm/config/pmm-agent.yaml",
    "/usr/local/percona/pmm2/config/pmm-agent.yaml",
];

/// What of a file changes when it is written to, replaced, or may be read from now on; None while there is none.
pub type Stamp = Option<(u64, u64, i64, i64)>;

/// The stamp of a file as it is.
pub fn stamp(path: &Path) -> Stamp {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.ctime(), file.ctime_nsec()))
}

/// Where an entry looks whose `pmm` says this.
pub(super) fn places(pmm: &str) -> Vec<PathBuf> {
    if pmm == "auto" { PLACES.iter().map(PathBuf::from).collect() } else { vec![pmm.into()] }
}

/// Keys that prove the origin: those of an entry are taken together, or none of them.
const AUTH: [&str; 5] = ["basic_auth", "authorization", "bearer_token", "bearer_token_file", "oauth2"];

/// Fills in the entries that ask for it. Returns the files that say what they are, to be looked at again.
pub(super) fn fill(root: &mut Node, problems: &mut Problems) -> Vec<(PathBuf, Stamp)> {
    let mut followed = Vec::new();
    let Value::Map(keys) = &mut root.value else { return followed };
    for (_, name, list) in keys {
        let Value::List(entries) = &mut list.value else { continue };
        if name == "remote_write" {
            entries.iter_mut().for_each(|entry| fill_entry(entry, &mut followed, problems));
        }
    }
    followed
}

fn fill_entry(entry: &mut Node, followed: &mut Vec<(PathBuf, Stamp)>, problems: &mut Problems) {
    let key = entry.spot.key.clone();
    let Value::Map(keys) = &mut entry.value else { return };
    let Some(at) =
        keys.iter().position(|(_, name, value)| name == "pmm" && !matches!(value.value, Value::Null))
    else {
        return;
    };
    let (spot, _, value) = &keys[at];
    let spot = spot.clone();
    let places: Vec<PathBuf> = match &value.value {
        Value::Text(text) if text == "auto" || text.starts_with('/') => places(text),
        _ => {
            problems.error(&spot, "neither `auto` nor the path of a file that begins with `/`: write `auto`");
            return;
        }
    };
    if keys.iter().any(|(_, name, _)| name == "url" || name == "urls") {
        problems.error(&spot, "has `url` and `pmm`, which says where to send to as well: remove one");
        return;
    }
    // Before they are read: what changes later is noticed.
    followed.extend(places.iter().map(|path| (path.clone(), stamp(path))));
    let said = said(&places);
    let text = match said {
        Ok(Said { entry: Some(text), unread }) => {
            unread.iter().for_each(|why| problems.warn(&spot, format!("{why}, another file is used")));
            text
        }
        Ok(Said { entry: None, unread }) => {
            let unread = unread.iter().map(|why| format!("{why}; ")).collect::<String>();
            problems.warn(
                &spot,
                format!(
                    "nothing says yet where PMM Server is, what is pushed is kept until something does: {unread}run \
                     `pmm-buffer pmm-agent install --restart`, or write `url`"
                ),
            );
            return;
        }
        Err(wrong) => {
            problems.error(&spot, wrong);
            return;
        }
    };
    let Some(mut told) = yaml::parse(&text, problems) else { return };
    relocate(&mut told, &spot, &key);
    let Value::Map(told) = told.value else {
        problems.error(&spot, "what is handed over is no entry of `remote_write`");
        return;
    };
    let is_auth = |name: &str| AUTH.contains(&name);
    let has_auth = keys.iter().any(|(_, name, _)| is_auth(name));
    for (spot, name, node) in told {
        let is_own = keys.iter().any(|(_, own, _)| *own == name) || (has_auth && is_auth(&name));
        if !is_own {
            keys.push((spot, name, node));
        }
    }
}

/// What files say.
#[derive(Default)]
struct Said {
    /// Of the first that says something.
    entry: Option<String>,
    /// Those before it that are there and cannot be read: pmm-agent's own file is not for everybody.
    unread: Vec<String>,
}

fn said(places: &[PathBuf]) -> Result<Said, String> {
    let mut said = Said::default();
    for place in places {
        let text = match fs::read_to_string(place) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                said.unread.push(format!("{} cannot be read ({error})", place.display()));
                continue;
            }
        };
        let is_agents = place.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let entry = match is_agents {
            true => pmm_agent::upstream(&text).map_err(|error| format!("{} {error}", place.display()))?,
            false => Some(text),
        };
        if entry.is_some() {
            return Ok(Said { entry, ..said });
        }
    }
    Ok(said)
}

/// Has what is wrong be told of `pmm`, whose file it does not stand in.
fn relocate(node: &mut Node, spot: &Spot, entry: &str) {
    let move_spot = |own: &mut Spot| {
        own.place = spot.place;
        own.key = if own.key.is_empty() { entry.to_owned() } else { format!("{entry}.{}", own.key) };
    };
    move_spot(&mut node.spot);
    match &mut node.value {
        Value::Map(keys) => {
            for (own, _, value) in keys {
                move_spot(own);
                relocate(value, spot, entry);
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| relocate(item, spot, entry)),
        Value::Null | Value::Text(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_says_something_counts_and_what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = |name: &str| folder.path().join(name);
        let places = [place("none.json"), place("folder.json"), place("agent.yaml"), place("last.json")];
        // What cannot be read for root either.
        fs::create_dir(&places[1]).expect("writable");
        let found = said(&places).expect("nothing is wrong");
        assert_eq!((found.entry, found.unread.len()), (None, 1));
        assert!(found.unread[0].starts_with(&format!("{} cannot be read", places[1].display())));
        fs::write(&places[3], "last").expect("writable");
        assert_eq!(said(&places).expect("nothing is wrong").entry.as_deref(), Some("last"));
        fs::write(&places[2], "id: no server").expect("writable");
        assert_eq!(said(&places).expect("nothing is wrong").entry.as_deref(), Some("last"));
        fs::write(&places[2], "server: {address: pmm}").expect("writable");
        assert!(
            said(&places)
                .expect("nothing is wrong")
                .entry
                .is_some_and(|entry| entry.contains("https://pmm/"))
        );
        fs::write(&places[2], "server: [hunter2").expect("writable");
        assert!(said(&places).is_err_and(|wrong| wrong.contains("agent.yaml") && !wrong.contains("hunter2")));
    }
}
