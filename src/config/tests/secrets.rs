//! No secret is ever printed: by `Debug`, in the effective configuration, in an error or a warning.

use super::super::load::read;
use super::super::{Overrides, Secret, effective};
use super::load;
use std::path::Path;

/// Stands where a secret does.
const MARKER: &str = "s3cr3t-MARKER";

fn assert_hidden(printed: &str, text: &str) {
    for part in [MARKER, "MARKER", "s3cr3t"] {
        assert!(!printed.contains(part), "a secret in {printed}\nof\n{text}");
    }
}

/// Everything that could be printed of a text.
fn printed(text: &str) -> String {
    match load(text) {
        Ok(loaded) => format!("{loaded:?}\n{:#?}\n{}", loaded.config, effective(&loaded.config)),
        Err(errors) => format!("{errors}\n{errors:?}"),
    }
}

/// Entries, each with a secret somewhere: in the places where one goes and where one goes astray (`$`), in
/// every form that YAML has and some that it has not.
fn entries() -> Vec<String> {
    let values = [
        MARKER.to_owned(),
        format!("'{MARKER}'"),
        format!("\"{MARKER}\\n\""),
        format!("\"\\u0001{MARKER}\""),
        format!("[{MARKER}]"),
        format!("[[{MARKER}], {MARKER}]"),
        format!("{{{MARKER}: {MARKER}}}"),
        format!("{{{MARKER}}}"),
        "{s3cr3tMARKER}".to_owned(),
        format!("*{MARKER}"),
        format!("&{MARKER} x"),
        format!("!{MARKER} x"),
        format!("!!binary {MARKER}"),
        format!("!!int {MARKER}"),
        format!("!!float {MARKER}"),
        format!("!!bool {MARKER}"),
        format!("@{MARKER}"),
        format!("\"{MARKER}"),
        format!("{{{MARKER}"),
        format!("[{MARKER}"),
        format!("{MARKER}: {MARKER}"),
        format!("{MARKER}\n  {MARKER}"),
        format!("{MARKER}\n{MARKER}"),
        format!("|\n  {MARKER}\n  {MARKER}"),
        format!("x #{MARKER}"),
    ];
    let places = [
        "    basic_auth: $",
        "    basic_auth: {username: u, password: $}",
        "    basic_auth:\n      username: u\n      password: $",
        "    basic_auth:\n      password: $",
        "    basic_auth:\n      username: 'a:b'\n      password: $",
        "    basic_auth:\n      username: u\n      password: $\n      password: $",
        "    basic_auth:\n      username: u\n      passwrod: $",
        "    basic_auth:\n      username: u\n      password: $\n      password_file: f",
        "    authorization: $",
        "    authorization:\n      credentials: $",
        "    authorization:\n      type: $",
        "    authorization:\n      type: Basic\n      credentials: $",
        "    authorization:\n      credentials: $\n    basic_auth:\n      username: u\n      password: $",
        "    bearer_token: $",
        "    headers: $",
        "    headers:\n      X-Token: $",
        "    headers:\n      Authorization: $",
        "    headers:\n      bad name: $",
        "    headers:\n      X-A: $\n      x-a: $",
        "    tls_config: $",
        "    tls_config:\n      key: $",
        "    tls_config:\n      cert: $\n      ca: $",
        "    oauth2: $",
        "    oauth2:\n      client_secret: $",
        "    oauth2:\n      client_id: c\n      token_url: http://t\n      client_secret: $",
        "    oauth2:\n      client_id: c\n      token_url: http://$@t\n      client_secret: x",
        "    oauth2:\n      client_id: c\n      token_url: http://t\n      client_secret: x\n      endpoint_params:\n        password: $",
        "    oauth2:\n      client_id: c\n      token_url: http://t\n      client_secret: x\n      claims: $",
        "    sigv4:\n      secret_key: $",
        "    http_headers:\n      X-Token:\n        secrets: [$]",
        "    proxy_connect_header:\n      X-Token: [$]",
        "    proxy_url: $",
        "    proxy_url: http://u:$@proxy:3128",
        "    proxy_url: http://$@proxy:3128",
        "    proxy_url: https://u:$@proxy:3128",
        "    proxy_url: http://u:$@proxy:99999",
        "    proxy_url: http://u:%zz$@proxy",
        "    proxy_url: http://u:$@proxy/path",
    ];
    let of = |place: &str| values.iter().map(|value| place.replace('$', value)).collect::<Vec<_>>();
    // The name of a header is none.
    let entries =
        places.iter().flat_map(|place| of(place)).filter(|entry| !entry.contains("headers: {s3cr3t-MARKER:"));
    entries.map(|entry| format!("remote_write:\n  - url: http://localhost\n{entry}\n")).collect()
}

#[test]
fn no_secret_is_printed_from_any_place_of_an_entry() {
    let texts = entries();
    let read = texts.iter().filter(|text| load(text).is_ok()).count();
    assert!(
        read > 30 && read < texts.len() / 2,
        "{read} of {} are read: the test tests something else",
        texts.len()
    );
    for text in &texts {
        assert!(text.contains("MARKER"), "{text}");
        assert_hidden(&printed(text), text);
    }
}

#[test]
fn no_secret_of_a_url_is_printed() {
    for url in [
        "http://user:s3cr3t-MARKER@localhost/",
        "s3cr3t-MARKER",
        "ftp://user:s3cr3t-MARKER@localhost",
        "http://user:s3cr3t-MARKER@localhost:99999/",
        "http://user:s3cr3t MARKER@localhost/",
        "http://user:s3cr3t-MARKER#@localhost/",
        "//user:s3cr3t-MARKER@localhost/",
    ] {
        let text = format!("remote_write:\n  - url: {url}\n");
        assert!(load(&text).is_err(), "{url}");
        assert_hidden(&printed(&text), &text);
    }
}

#[test]
fn no_secret_of_the_environment_is_printed() {
    for password in [MARKER.to_owned(), format!("{MARKER}\n"), format!("a:{MARKER}")] {
        for text in [
            "remote_write: [{url: 'http://localhost'}]",
            "remote_write: [{url: 'http://localhost', basic_auth: {username: u}}]",
            "remote_write: [{url: 'http://localhost', basic_auth: 1}]",
            "remote_write: [{url: 'http://localhost', authorization: {credentials: x}}]",
            "remote_write: [{url: 'http://a', name: a}, {url: 'http://b', name: b}]",
            "remote_write: 1",
            "",
        ] {
            let overrides = Overrides {
                remote_write_password: Some(Secret::new(password.clone())),
                ..Overrides::default()
            };
            let printed = match read(text, "test.yml", Path::new(""), &overrides) {
                Ok(loaded) => format!("{loaded:?}{}", effective(&loaded.config)),
                Err(errors) => format!("{errors}{errors:?}"),
            };
            assert_hidden(&printed, text);
        }
    }
}
