//! What pmm-agent starts in place of vmagent, started as it does: a path without arguments of its own, only PMM's
//! environment, in the root folder.

use super::peer;
use crate::stage::{SERIES, Stage, binary, upstream_status};
use pmm_buffer::harness::wait::{DEADLINE, until, until_async};
use pmm_buffer::harness::{Agent, Client, Grants, Mode, ReservedPort, TokenServer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PASSWORD: &str = "glsa_hunter2";

/// Basic, of `service_token` and [`PASSWORD`].
const AUTHORIZATION: &str = "Basic c2VydmljZV90b2tlbjpnbHNhX2h1bnRlcjI=";

const BASIC_AUTH: [(&str, &str); 2] = [
    ("VMAGENT_remoteWrite_basicAuth_username", "service_token"),
    ("VMAGENT_remoteWrite_basicAuth_password", PASSWORD),
];

/// A link to the program beside its notes, as `pmm-agent install` makes them.
struct Shim {
    folder: PathBuf,
    /// vmagent's listener.
    port: ReservedPort,
}

/// Killed when dropped.
struct Vmagent(Child);

impl Drop for Vmagent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Vmagent {
    fn process_file(&self, name: &str) -> String {
        let bytes = fs::read(format!("/proc/{}/{name}", self.0.id())).expect("it runs");
        String::from_utf8_lossy(&bytes).replace('\0', "\n")
    }
}

impl Shim {
    fn new(stage: &Stage) -> Self {
        let folder = stage.folder.path().join("shim");
        fs::create_dir(&folder).expect("writable");
        let shim = Self { folder, port: ReservedPort::new().expect("loopback") };
        symlink(binary(), shim.link()).expect("writable");
        let buffer = format!("http://{}/api/v1/write", stage.launch.address);
        let notes = json!({ "vmagent": peer("vmagent"), "buffer": buffer, "hand_over": shim.hand_over() });
        fs::write(shim.folder.join("pmm-buffer-vmagent.json"), notes.to_string()).expect("writable");
        shim
    }

    fn link(&self) -> PathBuf {
        self.folder.join("pmm-buffer-vmagent")
    }

    fn hand_over(&self) -> PathBuf {
        self.folder.join("upstream.json")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Starts `program` with what PMM from 3.4 on gives vmagent, which scrapes `target` for `url`.
    fn start(&self, program: &Path, first: &[&str], target: SocketAddr, url: &str) -> Vmagent {
        self.start_with(program, first, target, url, &BASIC_AUTH)
    }

    /// The same with these variables in the place of those that PMM proves itself with.
    fn start_with(
        &self,
        program: &Path,
        first: &[&str],
        target: SocketAddr,
        url: &str,
        auth: &[(&str, &str)],
    ) -> Vmagent {
        let config = self.folder.join("scrape.yml");
        let scrape = format!(
            "scrape_configs:\n  - job_name: agent\n    scrape_interval: 200ms\n    static_configs:\n      - targets: ['{target}']\n"
        );
        fs::write(&config, scrape).expect("writable");
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("writable");
        let child = Command::new(program)
            .args(first)
            .args(["-envflag.enable=true", "-envflag.prefix=VMAGENT_"])
            .arg(format!("-remoteWrite.tmpDataPath={}", self.folder.join("queue").display()))
            .arg(format!("-promscrape.config={}", config.display()))
            .arg(format!("-httpListenAddr={}", self.port.address()))
            .env_clear()
            .env("VMAGENT_remoteWrite_url", url)
            .env("VMAGENT_remoteWrite_tlsInsecureSkipVerify", "true")
            .env("VMAGENT_remoteWrite_flushInterval", "200ms")
            .envs(auth.iter().copied())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn();
        Vmagent(child.expect("it starts"))
    }

    async fn answers(&self) {
        let mut client = Client::new(self.port.address());
        let ok = async || client.get("/health").await.is_ok_and(|answer| answer.status == 200);
        until_async("vmagent answers", ok).await;
    }
}

/// Waits until so many more samples reached the upstream.
async fn arrived(stage: &Stage, more: u64) {
    let target = stage.upstream.totals().samples + more;
    until("samples arrive", || stage.upstream.totals().samples >= target).await;
}

async fn accepted(agent: &Agent, more: u64) {
    let accepted = async || agent.status().await.expect("a status").pushes_accepted;
    let target = accepted().await + more;
    until_async("pushes are accepted", async || accepted().await >= target).await;
}

#[tokio::test]
async fn a_link_becomes_vmagent_which_pushes_to_the_buffer_and_knows_no_secret() {
    let stage = Stage::new();
    let mut agent = stage.start().await;
    let shim = Shim::new(&stage);
    let url = stage.upstream.url();
    let mut vmagent = shim.start(&shim.link(), &[], agent.address(), &url);
    shim.answers().await;
    arrived(&stage, 100).await;

    // It is the process that was started, and vmagent.
    let executable = fs::read_link(format!("/proc/{}/exe", vmagent.0.id())).expect("it runs");
    assert_eq!(executable, fs::canonicalize(peer("vmagent")).expect("it is there"));
    let seen = [vmagent.process_file("cmdline"), vmagent.process_file("environ"), shim.log()].concat();
    assert!(
        !seen.contains(PASSWORD) && seen.contains(&url) && seen.contains("pmm-buffer: vmagent sends to"),
        "{seen}"
    );
    assert!(!vmagent.process_file("environ").contains(&url));

    let mode = fs::metadata(shim.hand_over()).expect("handed over").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let found: Value = serde_json::from_slice(&fs::read(shim.hand_over()).expect("readable")).expect("JSON");
    let expected = json!({
        "url": url,
        "basic_auth": { "username": "service_token", "password": PASSWORD },
        "tls_config": { "insecure_skip_verify": true },
    });
    assert_eq!(found, expected);

    // Away and back: vmagent holds what it scrapes meanwhile.
    let lost = stage.upstream.totals().samples;
    agent.kill().expect("it runs");
    let mut client = Client::new(shim.port.address());
    until_async("vmagent fails to push", async || {
        let metrics = client.get("/metrics").await.expect("it answers").text();
        metrics
            .lines()
            .any(|line| line.starts_with("vmagent_remotewrite_retries_count_total") && !line.ends_with(" 0"))
    })
    .await;
    let agent = stage.start().await;
    arrived(&stage, 100).await;
    assert!(stage.upstream.totals().samples > lost);
    assert_eq!(upstream_status(&agent).await.samples_rejected, 0);

    // A signal reaches vmagent, which ends in order.
    let pid = Pid::from_raw(vmagent.0.id() as i32).expect("above 0");
    kill_process(pid, Signal::TERM).expect("it runs");
    let mut ended = None;
    until("vmagent ends", || {
        ended = vmagent.0.try_wait().expect("a child");
        ended.is_some()
    })
    .await;
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{}", shim.log());
}

#[tokio::test]
async fn the_subcommand_does_the_same_and_a_folder_of_a_group_is_shared_with_it() {
    let stage = Stage::new();
    let agent = stage.start().await;
    let shim = Shim::new(&stage);
    fs::set_permissions(&shim.folder, fs::Permissions::from_mode(0o2750)).expect("ours");
    let notes = shim.folder.join("pmm-buffer-vmagent.json");
    let first = ["vmagent-shim", "--notes", &notes.to_string_lossy()];
    let _vmagent = shim.start(binary(), &first, agent.address(), &stage.upstream.url());
    accepted(&agent, 2).await;
    let mode = fs::metadata(shim.hand_over()).expect("handed over").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[tokio::test]
async fn what_is_unclear_or_cannot_be_handed_over_leaves_vmagent_as_it_was() {
    let stage = Stage::new();
    let agent = stage.start().await;
    let shim = Shim::new(&stage);
    stage.upstream.set_mode(Mode::Authorize(AUTHORIZATION.into()));
    // Two reasons: a setting that the buffer does not have, and a hand-over that is a folder.
    let oauth2 = ["-remoteWrite.aws.region=x"];
    let vmagent = shim.start(&shim.link(), &oauth2, agent.address(), &stage.upstream.url());
    until("it is said", || {
        shim.log().contains("vmagent runs unchanged, past the buffer: remoteWrite.aws is set")
    })
    .await;
    shim.answers().await;
    drop(vmagent);
    fs::create_dir(shim.hand_over()).expect("writable");
    let _vmagent = shim.start(&shim.link(), &[], agent.address(), &stage.upstream.url());
    until("it is said", || shim.log().contains("upstream.json cannot be written")).await;
    // Past the buffer, with its own credentials.
    arrived(&stage, 100).await;
    assert_eq!(agent.status().await.expect("a status").pushes_accepted, 0);
}

#[tokio::test]
async fn no_vmagent_or_a_circle_is_said() {
    let stage = Stage::new();
    let shim = Shim::new(&stage);
    for (vmagent, said) in
        [(PathBuf::from("/no/vmagent"), "cannot start /no/vmagent"), (shim.link(), "is pmm-buffer itself")]
    {
        let notes = json!({ "vmagent": vmagent, "hand_over": shim.hand_over() });
        fs::write(shim.folder.join("pmm-buffer-vmagent.json"), notes.to_string()).expect("writable");
        let mut child = shim.start(&shim.link(), &[], stage.launch.address, "http://127.0.0.1:1/");
        let ended = tokio::task::spawn_blocking(move || child.0.wait());
        let ended = tokio::time::timeout(DEADLINE, ended).await.expect("it ends").expect("no panic");
        assert_eq!(ended.expect("a child").code(), Some(1));
        assert!(shim.log().contains(said), "{}", shim.log());
    }
}

#[tokio::test]
async fn tokens_are_the_buffers_to_get_where_vmagent_was_meant_to() {
    let stage = Stage::with_config("", "");
    let shim = Shim::new(&stage);
    stage.write_followed(&shim.hand_over());
    let authorization = "Basic bWU6Z2xzYV9odW50ZXIy".to_owned();
    let tokens = TokenServer::start(Grants { authorization, body: Vec::new(), expires_in: Some(3600) });
    let tokens = tokens.expect("loopback");
    stage.upstream.set_mode(Mode::Authorize("Bearer token-1".into()));
    let agent = stage.start().await;
    let url = tokens.url();
    let oauth2 = [
        ("VMAGENT_remoteWrite_oauth2_clientID", "me"),
        ("VMAGENT_remoteWrite_oauth2_clientSecret", PASSWORD),
        ("VMAGENT_remoteWrite_oauth2_tokenUrl", &url),
        ("VMAGENT_remoteWrite_oauth2_scopes", "read;write"),
    ];
    let vmagent = shim.start_with(&shim.link(), &[], agent.address(), &stage.upstream.url(), &oauth2);
    arrived(&stage, 100).await;
    assert_eq!(tokens.issued(), 1, "vmagent asks for none");
    assert_eq!(tokens.bodies(), ["grant_type=client_credentials&scope=read+write"]);
    let seen = [vmagent.process_file("cmdline"), vmagent.process_file("environ"), shim.log(), agent.log()];
    assert!(!seen.concat().contains(PASSWORD));
    assert!(!seen.concat().contains("oauth2_client"));
}

/// pmm-agent asks the kernel to end vmagent with it. That is kept by the process, which the shim goes on to be.
#[tokio::test]
async fn the_death_of_what_started_it_ends_vmagent() {
    let stage = Stage::new();
    let agent = stage.start().await;
    let shim = Shim::new(&stage);
    let (link, pid) = (shim.link(), shim.folder.join("pid"));
    let script = format!("/usr/bin/setpriv --pdeathsig KILL \"$@\" & echo $! >{}; wait", pid.display());
    let first = ["-c", &script, "sh", &link.to_string_lossy()];
    let mut parent = shim.start(Path::new("/bin/sh"), &first, agent.address(), &stage.upstream.url());
    accepted(&agent, 2).await;
    let pid = fs::read_to_string(pid).expect("written");
    let executable = || fs::read_link(format!("/proc/{}/exe", pid.trim())).ok();
    let vmagent = fs::canonicalize(peer("vmagent")).expect("it is there");
    assert_eq!(executable(), Some(vmagent), "it is vmagent by now");
    parent.0.kill().expect("it runs");
    // What is left of it, until somebody asks how it ended, has no program.
    until("vmagent ends", || executable().is_none()).await;
}

#[tokio::test]
async fn what_is_handed_over_is_followed_without_a_restart_and_keeps_the_queue() {
    let mut stage = Stage::with_config("", "");
    let shim = Shim::new(&stage);
    let hand_over = shim.hand_over();
    stage.write_followed(&hand_over);
    let entry = |password: &str| {
        let basic = json!({ "username": "service_token", "password": password });
        json!({ "url": stage.upstream.url(), "basic_auth": basic }).to_string()
    };
    fs::write(&hand_over, entry("old")).expect("writable");
    stage.upstream.set_mode(Mode::Authorize(AUTHORIZATION.into()));
    let agent = stage.start().await;
    stage.feed().push(3).await;
    until_async("the old password is refused", async || upstream_status(&agent).await.last_error.is_some())
        .await;
    // What pmm-agent starts anew hands over what PMM Server takes, and the backlog goes out.
    let _vmagent = shim.start(&shim.link(), &[], agent.address(), &stage.upstream.url());
    stage.delivered(3 * SERIES).await;
    arrived(&stage, 100).await;
    assert!(!agent.log().contains(PASSWORD) && agent.log().contains("configuration reloaded"));
    stage.upstream.close().await;
}
