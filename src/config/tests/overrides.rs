//! Flags and the environment, in the place of the file.

use super::super::load::{load, read};
use super::super::{Auth, Config, LogFormat, LogLevel, Overrides, Secret, SecretSource, UpstreamKind};
use std::fs;
use std::path::{Path, PathBuf};

const URL: &str = "https://pmm.example.com/victoriametrics/api/v1/write";

fn overridden(text: &str, overrides: &Overrides) -> Result<Config, String> {
    let loaded = read(text, "test.yml", Path::new("/etc/pmm-buffer"), overrides);
    loaded.map(|loaded| loaded.config).map_err(|errors| errors.to_string())
}

fn url(url: &str) -> Overrides {
    Overrides { remote_write_url: Some(url.into()), ..Overrides::default() }
}

#[test]
fn flags_alone_are_enough() {
    let overrides = Overrides {
        listen: Some("127.0.0.1:1".into()),
        data_dir: Some("data".into()),
        queue_max_bytes: Some("2GiB".into()),
        log_level: Some("debug".into()),
        log_format: Some("json".into()),
        remote_write_username: Some("service_token".into()),
        remote_write_password_file: Some("token".into()),
        remote_write_ca_file: Some("/ca.pem".into()),
        remote_write_insecure_skip_verify: Some("true".into()),
        ..url(URL)
    };
    let config = load(None, &overrides).expect("enough").config;
    assert_eq!(config.listen, "127.0.0.1:1".parse().expect("an address"));
    assert_eq!(config.data_dir, Path::new("data"), "relative to where it was typed");
    assert_eq!(config.queue.max_bytes, 2 << 30);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Json));
    let [upstream] = &config.upstreams[..] else { panic!("not one") };
    assert_eq!(
        (upstream.name.as_str(), upstream.urls[0].as_str(), upstream.kind),
        ("default", URL, UpstreamKind::Pmm)
    );
    let password = Some(SecretSource::File("token".into()));
    assert_eq!(upstream.auth, Auth::Basic { username: "service_token".into(), password });
    assert_eq!(upstream.tls.ca_file, Some("/ca.pem".into()));
    assert!(upstream.tls.insecure_skip_verify);
}

#[test]
fn what_is_given_beats_the_file_and_leaves_the_rest() {
    let text = "
listen: 127.0.0.1:2
queue: {max_bytes: 17MiB}
log: {level: warn, format: json}
remote_write:
  - url: http://other
    name: kept
    basic_auth: {username: u, password_file: f}
";
    let overrides = Overrides {
        listen: Some("127.0.0.1:3".into()),
        log_level: Some("error".into()),
        remote_write_password: Some(Secret::new("p")),
        ..url(URL)
    };
    let config = overridden(text, &overrides).expect("good");
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.queue.max_bytes, 17 << 20);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Error, LogFormat::Json));
    let upstream = &config.upstreams[0];
    assert_eq!((upstream.name.as_str(), upstream.urls[0].as_str()), ("kept", URL));
    let password = Some(SecretSource::Inline(Secret::new("p")));
    assert_eq!(upstream.auth, Auth::Basic { username: "u".into(), password }, "instead of the file's");
}

#[test]
fn a_url_that_is_given_takes_the_place_of_the_list() {
    let config = overridden("remote_write: [{urls: ['http://a', 'http://b']}]", &url(URL)).expect("good");
    assert_eq!(config.upstreams[0].urls, [URL]);
}

#[test]
fn what_is_given_mends_a_wrong_value_of_the_file() {
    let text = "listen: nonsense\nremote_write: [{url: 'ftp://nonsense'}]";
    let overrides = Overrides { listen: Some("127.0.0.1:3".into()), ..url(URL) };
    assert!(overridden(text, &overrides).is_ok());
}

#[test]
fn what_is_empty_is_not_given() {
    let text = "listen: 127.0.0.1:2\nremote_write: [{url: 'http://kept'}]";
    let overrides =
        Overrides { listen: Some(String::new()), remote_write_password: Some(Secret::new("")), ..url("") };
    let config = overridden(text, &overrides).expect("good");
    assert_eq!((config.listen.port(), config.upstreams[0].urls[0].as_str()), (2, "http://kept"));
    assert_eq!(config.upstreams[0].auth, Auth::None);
}

#[test]
fn wrong_ones_are_named_as_they_were_given() {
    let overrides =
        Overrides { listen: Some(":9431".into()), queue_max_bytes: Some("1GB5".into()), ..url("pmm") };
    let expected = "\
--listen or PMM_BUFFER_LISTEN: listen: \":9431\" is not an IP address and a port: write them as in 127.0.0.1:9431
--queue-max-bytes or PMM_BUFFER_QUEUE_MAX_BYTES: queue.max_bytes: \"1GB5\" is not a size: write a whole number with a \
unit such as MiB or GiB, from 16MiB to 16TiB
--remote-write-url or PMM_BUFFER_REMOTE_WRITE_URL: remote_write[0].url: not an absolute URL: write one such as \
https://pmm.example.com/victoriametrics/api/v1/write";
    assert_eq!(overridden("", &overrides), Err(expected.into()));
}

#[test]
fn with_several_entries_it_is_not_clear_which_is_meant() {
    let text = "remote_write: [{url: 'http://a', name: a}, {url: 'http://b', name: b}]";
    let expected = "--remote-write-url or PMM_BUFFER_REMOTE_WRITE_URL: the file has several entries of `remote_write`: \
        change the one that is meant there";
    assert_eq!(overridden(text, &url(URL)), Err(expected.into()));
}

#[test]
fn a_password_in_two_ways_is_refused() {
    let overrides = Overrides {
        remote_write_username: Some("u".into()),
        remote_write_password: Some(Secret::new("p")),
        remote_write_password_file: Some("f".into()),
        ..url(URL)
    };
    let error = overridden("", &overrides).expect_err("refused");
    assert!(error.contains("has both `password` and `password_file`"), "{error}");
}

#[test]
fn without_a_file_and_a_url_both_ways_are_named() {
    let error = load(None, &Overrides::default()).expect_err("nothing").to_string();
    assert_eq!(
        error,
        "nowhere to send: give --remote-write-url URL, or --config FILE with a `remote_write` entry"
    );
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("writable");
        path
    };
    let error = |path: &Path| load(Some(path), &url(URL)).expect_err("refused").to_string();
    let missing = folder.path().join("missing.yml");
    assert_eq!(error(&missing), format!("{}: there is no such file: see --config", missing.display()));
    assert!(error(folder.path()).ends_with(": is a folder: name the file in it"), "{}", error(folder.path()));
    assert!(error(&file("latin1.yml", b"a: b\nc: \xe9\n")).ends_with(": is not UTF-8 in line 2"));
    let large = error(&file("large.yml", &vec![b'#'; (1 << 20) + 1]));
    assert!(large.ends_with(": is larger than 1 MiB, which is no configuration"), "{large}");
    assert!(load(Some(&file("full.yml", &vec![b'#'; 1 << 20])), &url(URL)).is_ok());
    assert!(load(Some(&file("empty.yml", b"")), &url(URL)).is_ok());
}

#[test]
fn relative_paths_start_at_the_files_folder_and_missing_ones_are_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("here"), "x").expect("writable");
    let text = "data_dir: data\nremote_write:\n  - url: http://a\n    \
        tls_config: {ca_file: here, cert_file: gone, key_file: /gone}";
    let file = folder.path().join("pmm-buffer.yml");
    fs::write(&file, text).expect("writable");
    let loaded = load(Some(&file), &Overrides::default()).expect("good");
    assert_eq!(loaded.config.data_dir, folder.path().join("data"));
    assert_eq!(loaded.config.upstreams[0].tls.ca_file, Some(folder.path().join("here")));
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let gone = folder.path().join("gone");
    assert!(
        warnings[0]
            .ends_with(&format!("there is no file {} yet: requests fail until it is there", gone.display()))
    );
}
