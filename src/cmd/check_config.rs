//! `pmm-buffer check-config`: the configuration in force, or every error with its line.
//!
//! Exit status: 0 for a file that `run` takes, 64 for any other.

use crate::{cli, config};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Prints the effective configuration, with secrets masked, to standard output and warnings to standard
/// error; or every error to standard error.
pub fn run(args: &cli::CheckConfig) -> ExitCode {
    let (out, err) = (&mut io::stdout().lock(), &mut io::stderr().lock());
    // A reader that has seen enough (`| head`) is no failure of the configuration.
    match check(&args.file, out, err) {
        Ok(true) | Err(_) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(cli::EXIT_USAGE),
    }
}

/// Whether the configuration is good.
fn check(file: &Path, out: &mut impl Write, err: &mut impl Write) -> io::Result<bool> {
    match config::load(Some(file), &config::Overrides::default()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(err, "warning: {warning}")?;
            }
            out.write_all(config::effective(&loaded.config).as_bytes())?;
            Ok(true)
        }
        Err(errors) => {
            for error in errors.iter() {
                // What cannot be shown is wrong all the same.
                let _ = writeln!(err, "error: {error}");
            }
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> (bool, String, String) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("writable");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let is_good = check(file.path(), &mut out, &mut err).expect("memory takes all");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (is_good, text(out), text(err).replace(&*file.path().to_string_lossy(), "FILE"))
    }

    #[test]
    fn a_good_file_is_printed_with_its_secrets_masked() {
        let (is_good, out, err) = checked("remote_write: [{url: 'http://a', bearer_token: hunter2}]");
        assert!(is_good);
        assert!(out.contains("credentials: <secret>") && !out.contains("hunter2"), "{out}");
        assert!(err.starts_with("warning: FILE:1:48: remote_write[0].bearer_token: "), "{err}");
    }

    #[test]
    fn a_bad_file_is_not_printed_and_every_error_is() {
        let (is_good, out, err) = checked("listen: here\nport: 1\n");
        assert!(!is_good && out.is_empty());
        assert_eq!(err.lines().filter(|line| line.starts_with("error: FILE:")).count(), 3, "{err}");
    }
}
