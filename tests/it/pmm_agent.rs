//! `pmm-agent install | status | uninstall` on a file as PMM Client writes it.

use crate::commands::{Ran, run};
use crate::stage::{Stage, binary};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A tree of PMM Client, and a running buffer.
struct Client {
    folder: PathBuf,
    url: String,
}

impl Client {
    fn new(stage: &Stage) -> Self {
        let folder = stage.folder.path().join("pmm");
        for part in ["config", "exporters"] {
            fs::create_dir_all(folder.join(part)).expect("writable");
        }
        let client = Self { folder, url: format!("http://{}", stage.launch.address) };
        client.program("exporters/vmagent", "\x7fELF");
        client.write(&client.text());
        fs::set_permissions(client.config(), fs::Permissions::from_mode(0o660)).expect("ours");
        client
    }

    fn text(&self) -> String {
        let base = self.folder.display();
        format!(
            "# Updated by `pmm-agent setup`.\n---\nid: a\nserver:\n    username: admin\n    password: hunter2 # new\n\
             paths:\n    paths_base: {base}\n    # ours\n    vmagent: {base}/exporters/vmagent # here\n    other: 1\n\
             debug: false"
        )
    }

    fn config(&self) -> PathBuf {
        self.folder.join("config/pmm-agent.yaml")
    }

    fn write(&self, text: &str) {
        fs::write(self.config(), text).expect("writable");
    }

    fn read(&self) -> String {
        fs::read_to_string(self.config()).expect("readable")
    }

    fn program(&self, name: &str, bytes: &str) {
        let path = self.folder.join(name);
        fs::write(&path, bytes).expect("writable");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    }

    fn shim(&self) -> PathBuf {
        self.folder.join("shim")
    }

    async fn run(&self, command: &str, more: &[&str]) -> Ran {
        let (config, shim) = (self.config(), self.shim());
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let (config, shim) = (text(&config), text(&shim));
        let args = ["pmm-agent", command, "--config", &config, "--folder", &shim, "--url", &self.url];
        let ran = run(&[&args[..], more].concat()).await;
        assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{}{}", ran.out, ran.err);
        ran
    }

    /// Holds a command to changing nothing, and to saying why.
    async fn refuses(&self, command: &str, more: &[&str], why: &str) {
        let before = self.read();
        let ran = self.run(command, more).await;
        assert_eq!(ran.code, Some(1), "{}", ran.out);
        assert!(ran.err.contains(why), "{}", ran.err);
        assert_eq!(self.read(), before);
    }
}

#[tokio::test]
async fn install_and_uninstall_leave_every_byte_as_it_was() {
    let stage = Stage::new();
    let _agent = stage.start().await;
    let client = Client::new(&stage);
    assert_eq!(client.run("status", &[]).await.code, Some(1));

    let ran = client.run("install", &["--dry-run"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let link = client.shim().join("pmm-buffer-vmagent").display().to_string();
    let own = client.folder.join("exporters/vmagent").display().to_string();
    assert!(
        ran.out.contains(&format!("-     vmagent: {own} # here\n+     vmagent: {link} # here\n")),
        "{}",
        ran.out
    );
    assert_eq!(client.read(), client.text());
    assert!(!client.shim().exists());

    let ran = client.run("install", &[]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("systemctl restart pmm-agent"), "{}", ran.out);
    assert_eq!(client.read(), client.text().replace(&format!("vmagent: {own}"), &format!("vmagent: {link}")));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&client.config()), 0o660);
    let backup = client.shim().join("pmm-agent.yaml.backup");
    assert_eq!((fs::read_to_string(&backup).expect("readable"), mode(&backup)), (client.text(), 0o600));
    assert_eq!(fs::read_link(&link).expect("a link"), fs::canonicalize(binary()).expect("there"));
    let notes: Value =
        serde_json::from_slice(&fs::read(format!("{link}.json")).expect("readable")).expect("JSON");
    assert_eq!(notes["vmagent"], own);
    assert_eq!(notes["buffer"], format!("{}/api/v1/write", client.url));

    assert_eq!(client.run("status", &[]).await.code, Some(0));
    let again = client.run("install", &[]).await;
    assert_eq!((again.code, again.out.contains("nothing to do")), (Some(0), true));

    let ran = client.run("uninstall", &[]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!((client.read(), mode(&client.config())), (client.text(), 0o660));
    let again = client.run("uninstall", &[]).await;
    assert_eq!((again.code, again.out.contains("nothing to do")), (Some(0), true));
}

#[tokio::test]
async fn what_is_not_as_expected_is_refused() {
    let stage = Stage::new();
    let client = Client::new(&stage);
    client.refuses("install", &[], "the buffer does not answer").await;
    let _agent = stage.start().await;

    client.program("exporters/vmagent", "#!/bin/sh\n");
    client.refuses("install", &[], "another wrapper").await;
    fs::remove_file(client.folder.join("exporters/vmagent")).expect("there");
    client.refuses("install", &[], "there is no vmagent at").await;
    client.program("exporters/vmagent", "\x7fELF");

    client.write("paths: {}\npassword: hunter2\n");
    client.refuses("install", &[], "has `paths` on one line").await;
    client.write("paths: [\npassword: hunter2\n");
    client.refuses("install", &[], "is not a YAML section of keys").await;
    client.write(&client.text());

    let queue = client.folder.join("tmp/vmagent-temp-dir/persistent-queue/1_A");
    fs::create_dir_all(&queue).expect("writable");
    fs::write(queue.join("metainfo.json"), r#"{"Name":"x","ReaderOffset":10,"WriterOffset":52}"#)
        .expect("writable");
    client.refuses("install", &[], "holds 42 bytes").await;
    assert_eq!(client.run("install", &["--discard-queue"]).await.code, Some(0));
    client.refuses("uninstall", &[], "holds 42 bytes").await;
    fs::remove_dir_all(queue).expect("there");
    assert_eq!(client.run("uninstall", &[]).await.code, Some(0));
    assert_eq!(client.read(), client.text());
}
