//! What flags and the environment say in the place of the file.

use super::Secret;
use super::problem::{Place, Problems, Spot};
use super::yaml::{Node, Value};

/// What flags and the environment say in the place of the file, as text; empty is the same as not given.
///
/// Those of `remote_write` mean the single entry of the file, or make it. Has no `Debug`: before it is read,
/// a URL may have a password in it.
#[derive(Clone, Default)]
pub struct Overrides {
    /// `listen`.
    pub listen: Option<String>,
    /// `data_dir`; a relative one starts at the working directory.
    pub data_dir: Option<String>,
    /// `queue.max_bytes`.
    pub queue_max_bytes: Option<String>,
    /// `queue.rewind`.
    pub queue_rewind: Option<String>,
    /// `log.level`.
    pub log_level: Option<String>,
    /// `log.format`.
    pub log_format: Option<String>,
    /// `url`.
    pub remote_write_url: Option<String>,
    /// `basic_auth.username`.
    pub remote_write_username: Option<String>,
    /// `basic_auth.password`. Only from the environment: every user of the host can read a command line.
    pub remote_write_password: Option<Secret>,
    /// `basic_auth.password_file`; a relative one starts at the working directory.
    pub remote_write_password_file: Option<String>,
    /// `tls_config.ca_file`; a relative one starts at the working directory.
    pub remote_write_ca_file: Option<String>,
    /// `tls_config.insecure_skip_verify`: true or false.
    pub remote_write_insecure_skip_verify: Option<String>,
}

/// One of them: its name for messages, the path of its key, its text.
type Given<'a> = (&'static str, &'static str, &'a str);

impl Overrides {
    /// Writes them into the tree of a file, so that they are validated as if they stood there.
    pub(super) fn apply(&self, root: &mut Node, problems: &mut Problems) {
        for (name, path, text) in self.given() {
            let mut keys: Vec<&str> = path.split('.').collect();
            let key = keys.pop().expect("BUG: split gives at least one");
            let mut section = Some(&mut *root);
            for key in keys {
                section = section.and_then(|section| child(section, key, name));
                if key == "remote_write" {
                    section = section.and_then(|list| single_entry(list, name, problems));
                }
            }
            let Some(section) = section else { continue };
            // A password, or a URL, takes the place of the other way to give it.
            match key {
                "password" => remove(section, "password_file", name),
                "password_file" => remove(section, "password", name),
                "url" => ["urls", "pmm"].iter().for_each(|key| remove(section, key, name)),
                _ => {}
            }
            put(section, key, name, text);
        }
    }

    fn given(&self) -> impl Iterator<Item = Given<'_>> {
        [
            ("--listen or PMM_BUFFER_LISTEN", "listen", &self.listen),
            ("--data-dir or PMM_BUFFER_DATA_DIR", "data_dir", &self.data_dir),
            ("--queue-max-bytes or PMM_BUFFER_QUEUE_MAX_BYTES", "queue.max_bytes", &self.queue_max_bytes),
            ("--queue-rewind or PMM_BUFFER_QUEUE_REWIND", "queue.rewind", &self.queue_rewind),
            ("--log-level or PMM_BUFFER_LOG_LEVEL", "log.level", &self.log_level),
            ("--log-format or PMM_BUFFER_LOG_FORMAT", "log.format", &self.log_format),
            ("--remote-write-url or PMM_BUFFER_REMOTE_WRITE_URL", "remote_write.url", &self.remote_write_url),
            (
                "--remote-write-username or PMM_BUFFER_REMOTE_WRITE_USERNAME",
                "remote_write.basic_auth.username",
                &self.remote_write_username,
            ),
            (
                "--remote-write-password-file or PMM_BUFFER_REMOTE_WRITE_PASSWORD_FILE",
                "remote_write.basic_auth.password_file",
                &self.remote_write_password_file,
            ),
            (
                "--remote-write-ca-file or PMM_BUFFER_REMOTE_WRITE_CA_FILE",
                "remote_write.tls_config.ca_file",
                &self.remote_write_ca_file,
            ),
            (
                "--remote-write-insecure-skip-verify or PMM_BUFFER_REMOTE_WRITE_INSECURE_SKIP_VERIFY",
                "remote_write.tls_config.insecure_skip_verify",
                &self.remote_write_insecure_skip_verify,
            ),
        ]
        .map(|(name, path, text)| (name, path, text.as_deref()))
        .into_iter()
        .chain([(
            "PMM_BUFFER_REMOTE_WRITE_PASSWORD",
            "remote_write.basic_auth.password",
            self.remote_write_password.as_ref().map(Secret::expose),
        )])
        .filter_map(|(name, path, text)| Some((name, path, text.filter(|text| !text.is_empty())?)))
    }
}

/// The section or list of this name, made if need be. None in what is no section, which is reported when it
/// is read.
fn child<'n>(section: &'n mut Node, key: &str, name: &'static str) -> Option<&'n mut Node> {
    let spot = spot(section, key, name);
    let entries = entries(section)?;
    let index = entries.iter().position(|(_, known, _)| known == key).unwrap_or_else(|| {
        entries.push((spot.clone(), key.into(), Node { spot, value: Value::Null }));
        entries.len() - 1
    });
    Some(&mut entries[index].2)
}

/// The one entry of `remote_write`, made if need be. None in what is no list, which is reported when it is
/// read.
fn single_entry<'n>(list: &'n mut Node, name: &'static str, problems: &mut Problems) -> Option<&'n mut Node> {
    let spot = Spot { place: Place::Given(name), key: format!("{}[0]", list.spot.key) };
    if matches!(list.value, Value::Null) {
        list.value = Value::List(Vec::new());
    }
    let Value::List(entries) = &mut list.value else { return None };
    if entries.is_empty() {
        entries.push(Node { spot, value: Value::Null });
    }
    if let [entry] = &mut entries[..] {
        return Some(entry);
    }
    let spot = Spot { place: Place::Given(name), key: String::new() };
    problems
        .error(&spot, "the file has several entries of `remote_write`: change the one that is meant there");
    None
}

/// Gives a key of a section a value.
fn put(section: &mut Node, key: &str, name: &'static str, text: &str) {
    remove(section, key, name);
    let spot = spot(section, key, name);
    if let Some(entries) = entries(section) {
        entries.push((spot.clone(), key.into(), Node { spot, value: Value::Text(text.into()) }));
    }
}

/// Takes a key of the file out. What another override put there stays, to be reported.
fn remove(section: &mut Node, key: &str, name: &'static str) {
    if let Some(entries) = entries(section) {
        entries.retain(|(spot, known, _)| {
            known != key || matches!(spot.place, Place::Given(other) if other != name)
        });
    }
}

/// The keys of a section; nothing becomes an empty one.
fn entries(section: &mut Node) -> Option<&mut Vec<(Spot, String, Node)>> {
    if matches!(section.value, Value::Null) {
        section.value = Value::Map(Vec::new());
    }
    match &mut section.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
}

fn spot(section: &Node, key: &str, name: &'static str) -> Spot {
    let parent = &section.spot.key;
    let key = if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") };
    Spot { place: Place::Given(name), key }
}
