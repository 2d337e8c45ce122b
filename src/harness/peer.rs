//! The real programs that tests and benches put around the agent.

use std::io;
use std::path::PathBuf;

/// The folder that `make setup-peers` fills, as the Makefile passes it on.
const FOLDER_VARIABLE: &str = "PMM_BUFFER_TEST_PEERS";

/// Finds a peer such as `vmagent`: on PATH, then where `make setup-peers` put it. An error says what to do.
pub fn find_peer(program: &str) -> io::Result<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let peers = std::env::var_os(FOLDER_VARIABLE).map(|folder| PathBuf::from(folder).join("usr/bin"));
    let mut folders = std::env::split_paths(&on_path).chain(peers);
    let found = folders.find_map(|folder| Some(folder.join(program)).filter(|path| path.is_file()));
    found.ok_or_else(|| {
        io::Error::other(format!(
            "{program} is neither on PATH nor in ${FOLDER_VARIABLE}/usr/bin: `make setup-peers` brings it, and \
             `make test` says where it is"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_and_one_that_is_missing_says_how_to_get_it() {
        assert!(find_peer("sh").expect("every host has it").ends_with("sh"));
        let error = find_peer("no-such-peer").expect_err("there is none").to_string();
        assert!(error.contains("make setup-peers"), "{error}");
    }
}
