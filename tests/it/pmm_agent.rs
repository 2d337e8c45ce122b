//! `pmm-agent install | status | uninstall` on a file as PMM Client writes it.

use crate::commands::{Ran, run_with};
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
        for part in ["config", "exporters", "bin"] {
            fs::create_dir_all(folder.join(part)).expect("writable");
        }
        let client = Self { folder, url: format!("http://{}", stage.launch.address) };
        client.program("exporters/vmagent", "\x7fELF");
        client.systemctl("exit 0");
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

    /// A stand-in for systemctl: nothing of the host is touched, and what it is asked is written down.
    fn systemctl(&self, exit: &str) {
        let asked = self.folder.join("asked");
        self.program("bin/systemctl", &format!("#!/bin/sh\necho \"$@\" >>{}\n{exit}\n", asked.display()));
    }

    /// What systemctl was asked since the last look.
    fn asked(&self) -> String {
        let asked = self.folder.join("asked");
        let text = fs::read_to_string(&asked).unwrap_or_default();
        let _ = fs::remove_file(asked);
        text
    }

    async fn run(&self, command: &str, more: &[&str]) -> Ran {
        let (config, shim) = (self.config(), self.shim());
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let (config, shim) = (text(&config), text(&shim));
        let args = ["pmm-agent", command, "--config", &config, "--folder", &shim, "--url", &self.url];
        let mut path = self.folder.join("bin:").into_os_string();
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let ran = run_with(&[&args[..], more].concat(), &[("PATH", &path)]).await;
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

#[tokio::test]
async fn a_restart_is_made_where_it_is_asked_for_and_told_where_it_fails() {
    let stage = Stage::new();
    let _agent = stage.start().await;
    let client = Client::new(&stage);
    let ran = client.run("install", &["--restart"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("pmm-agent was restarted") && !ran.out.contains("Next"), "{}", ran.out);
    assert_eq!(client.asked(), "restart pmm-agent.service\n");
    client.systemctl("echo 'no such unit' >&2; exit 5");
    let ran = client.run("uninstall", &["--restart"]).await;
    assert_eq!((ran.code, client.read()), (Some(1), client.text()));
    assert!(
        ran.err.contains("goes on as it was until you do it") && ran.err.contains("no such unit"),
        "{}",
        ran.err
    );
    client.asked();
    assert_eq!(client.run("install", &[]).await.code, Some(0));
    assert_eq!(client.run("uninstall", &[]).await.code, Some(0));
    assert_eq!(client.asked(), "", "only where it is asked for");
}

#[tokio::test]
async fn a_removal_leaves_pmm_agent_with_a_vmagent_in_any_case() {
    let stage = Stage::new();
    let _agent = stage.start().await;
    let client = Client::new(&stage);
    let link = client.shim().join("pmm-buffer-vmagent");
    let own = client.folder.join("exporters/vmagent");
    let ran = client.run("uninstall", &["--for-removal"]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", ""), "nothing was installed");

    // As it should be; vmagent's own queue does not hold it up, and is named.
    assert_eq!(client.run("install", &[]).await.code, Some(0));
    let queue = client.folder.join("tmp/vmagent-temp-dir/persistent-queue/1_A");
    fs::create_dir_all(&queue).expect("writable");
    fs::write(queue.join("metainfo.json"), r#"{"Name":"x","ReaderOffset":10,"WriterOffset":52}"#)
        .expect("writable");
    let ran = client.run("uninstall", &["--for-removal"]).await;
    assert_eq!((ran.code, client.read()), (Some(0), client.text()));
    assert!(ran.err.contains("holds 42 bytes") && ran.err.contains("is as it was"), "{}", ran.err);
    assert_eq!(fs::read_link(&link).expect("a link"), own, "for a pmm-agent that is not restarted");
    fs::remove_dir_all(queue).expect("there");

    // A file that cannot be set back: what pmm-agent starts is vmagent itself.
    assert_eq!(client.run("install", &[]).await.code, Some(0));
    let notes = client.shim().join("pmm-buffer-vmagent.json");
    let text = fs::read_to_string(&notes).expect("readable");
    let mut without: Value = serde_json::from_str(&text).expect("JSON");
    without.as_object_mut().expect("a section").remove("edit");
    fs::write(&notes, without.to_string()).expect("writable");
    let ran = client.run("uninstall", &["--for-removal"]).await;
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.err.contains("cannot be set back, and its `paths.vmagent` leads to vmagent itself"),
        "{}",
        ran.err
    );
    assert_eq!(fs::read_link(&link).expect("a link"), own);
    assert!(client.read().contains(&*link.to_string_lossy()));
    // The package is back: so is the buffer, and what it was before is known again.
    assert_eq!(client.run("status", &[]).await.code, Some(1), "it starts vmagent itself");
    fs::write(&notes, text).expect("writable");
    let ran = client.run("install", &["--restart"]).await;
    assert!(ran.out.contains("is the buffer's again"), "{}{}", ran.out, ran.err);
    assert_eq!(client.run("status", &[]).await.code, Some(0));

    // A file that is no YAML any more is left, and said.
    client.write("paths: [\npassword: hunter2\n");
    let ran = client.run("uninstall", &["--for-removal"]).await;
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.contains("take that line out"), "{}", ran.err);
}

#[tokio::test]
async fn a_folder_and_a_file_that_were_given_once_are_found_again() {
    let stage = Stage::new();
    let _agent = stage.start().await;
    let client = Client::new(&stage);
    assert_eq!(client.run("install", &[]).await.code, Some(0));
    let (config, shim) = (client.config(), client.shim());
    let (config, shim) = (config.to_str().expect("text"), shim.to_str().expect("text"));
    // By what pmm-agent.yaml says, and by the notes.
    for known in [["--config", config], ["--folder", shim]] {
        let ran = run_with(&[&["pmm-agent", "status", "--url", &client.url], &known[..]].concat(), &[]).await;
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains(config) && ran.out.contains(shim), "{}", ran.out);
    }
}
