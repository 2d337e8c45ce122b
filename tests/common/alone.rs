//! Tests that run in namespaces of their own: each starts itself anew there, alone.

use std::process::Command;

/// Says to a test that it is there.
const INSIDE: &str = "PMM_BUFFER_TEST_ALONE";

/// True in the process that [`start_again`] makes.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

pub fn block_on(body: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(body);
}

/// Options of `unshare` that make the namespaces of `own`, and in which `probe` succeeds; none where no user may have them.
///
/// Root may be a container's, which must not make user namespaces and may make others, or the reverse.
pub fn allowed(own: &str, probe: &[&str]) -> Option<String> {
    let choices = [own.to_owned(), format!("--user --map-root-user {own}")];
    choices.into_iter().find(|options| {
        let probed = unshare(options).args(probe).output();
        probed.is_ok_and(|probed| probed.status.success())
    })
}

/// Runs `test`, by its whole name, in the namespaces of `options`. Returns what it wrote to stderr. Panics where it fails.
pub fn start_again(test: &str, options: &str) -> String {
    let output = unshare(options)
        .arg(std::env::current_exe().expect("the path of the test itself"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare, of util-linux");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A name that no test has would pass, having run nothing.
    let has_passed = output.status.success() && out.contains("1 passed");
    assert!(has_passed, "{test} failed in its own namespaces:\n{out}{errors}");
    errors.into_owned()
}

fn unshare(options: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(options.split(' '));
    command
}
