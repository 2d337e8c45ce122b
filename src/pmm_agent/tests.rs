//! The forms of a pmm-agent.yaml, and what an edit leaves of them.

use super::*;
use proptest::prelude::*;

const LINK: &str = "/var/lib/pmm-buffer-shim/pmm-buffer-vmagent";

const FULL: &str = "\
# Updated by `pmm-agent setup`.
---
id: 8a1bd5a2-1b1f-4c5e-9d7d-0a2f6f0a1111
listen-address: 127.0.0.1
listen-port: 7777
server:
    address: pmm.example.com:443
    username: service_token   # not admin
    password: 'hunter2 # : \"x'
    insecure-tls: true
paths:
    paths_base: /usr/local/percona/pmm
    exporters_base: /usr/local/percona/pmm/exporters

    # ours
    node_exporter: /usr/local/percona/pmm/exporters/node_exporter
    vmagent: /usr/local/percona/pmm/exporters/vmagent  # the pusher
    tempdir: /usr/local/percona/pmm/tmp
ports: {min: 42000, max: 51999}
unknown: [1, 2.50, ~]
debug: false
";

/// Holds an edit to changing one value and being taken back byte for byte.
fn edited(text: &str) -> String {
    let (edit, edited) = redirect(text, LINK).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert_eq!(AgentFile::read(&edited).expect("YAML").vmagent.as_deref(), Some(LINK), "{edited}");
    assert_eq!(restore(&edited, LINK, &edit).as_deref(), Ok(text));
    edited
}

#[test]
fn one_value_is_changed_and_nothing_else() {
    let own = "vmagent: /usr/local/percona/pmm/exporters/vmagent";
    assert_eq!(edited(FULL), FULL.replace(own, &format!("vmagent: {LINK}")));
    let file = AgentFile::read(FULL).expect("YAML");
    assert_eq!(file.vmagent.as_deref(), Some("/usr/local/percona/pmm/exporters/vmagent"));
    assert_eq!(file.default_vmagent(), Some("/usr/local/percona/pmm/exporters/vmagent".into()));
    assert_eq!(file.tempdir, Some("/usr/local/percona/pmm/tmp".into()));
}

#[test]
fn a_file_without_the_key_gets_it_where_it_belongs() {
    let cases = [
        ("id: a\n", format!("id: a\npaths:\n    vmagent: {LINK}\n")),
        ("id: a", format!("id: a\npaths:\n    vmagent: {LINK}\n")),
        ("paths:\n  tempdir: /t\nid: a\n", format!("paths:\n  vmagent: {LINK}\n  tempdir: /t\nid: a\n")),
        ("id: a\npaths: # none\n", format!("id: a\npaths: # none\n    vmagent: {LINK}\n")),
        ("id: a\npaths:", format!("id: a\npaths:\n    vmagent: {LINK}")),
        ("id: a\r\npaths:\r\n  x: y\r\n", format!("id: a\r\npaths:\r\n  vmagent: {LINK}\r\n  x: y\r\n")),
        ("paths:\n  vmagent: \"\"\n", format!("paths:\n  vmagent: {LINK}\n")),
    ];
    for (text, expected) in cases {
        assert_eq!(edited(text), expected);
    }
}

#[test]
fn what_cannot_be_edited_safely_is_refused() {
    for text in ["paths: {tempdir: /t}\n", "paths: {}\n", "paths: &a\n  x: y\n"] {
        assert_eq!(redirect(text, LINK), Err(Unexpected::OneLine), "{text}");
    }
    for text in
        ["", "- a\n", "a", "paths: [a]\n", "paths:\n  - a\n", "a: [\n", "a: 1\n---\nb: 2\n", "a: 1\na: 2\n"]
    {
        assert!(matches!(redirect(text, LINK), Err(Unexpected::NotYaml(_))), "{text}");
    }
    for text in ["{id: a}\n", "id: a\n...\n", "paths:\n  vmagent: >\n    /a\n", "\"paths\":\n  x: y\n"] {
        assert!(redirect(text, LINK).is_err(), "{text}");
    }
    let said = redirect("password: hunter2\nx: [hunter2\n", LINK).expect_err("not YAML").to_string();
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_file_that_was_written_anew_gets_its_value_back() {
    let (edit, _) = redirect(FULL, LINK).expect("edited");
    let anew = format!("id: b\npaths:\n  vmagent: {LINK}\n  tempdir: /t\n");
    let restored = "id: b\npaths:\n  vmagent: /usr/local/percona/pmm/exporters/vmagent\n  tempdir: /t\n";
    assert_eq!(restore(&anew, LINK, &edit).as_deref(), Ok(restored));
    let (edit, _) = redirect("id: a\n", LINK).expect("edited");
    assert_eq!(restore(&anew, LINK, &edit).as_deref(), Ok("id: b\npaths:\n  tempdir: /t\n"));
    assert!(restore("id: b\n", LINK, &edit).is_err());
}

proptest! {
    #[test]
    fn an_edit_of_any_text_is_taken_back_or_refused(lines in prop::collection::vec("(paths:|  vmagent:|  x:|id:|#)? ?[ -~]{0,6}(\r?\n)?", 0..8)) {
        let text = lines.concat();
        if let Ok((edit, edited)) = redirect(&text, LINK) {
            prop_assert_eq!(restore(&edited, LINK, &edit), Ok(text));
        }
    }
}
