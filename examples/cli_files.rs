//! Writes what packages take from the definition of the command line: man pages and shell completions.
//!
//! ```text
//! cargo run --release --locked --example cli_files -- DIR
//! ```
//!
//! Made when a package is made, so that they cannot differ from the program. An example, so that what it needs adds nothing
//! to the agent.

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use pmm_buffer::cli::Cli;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What no option says, for the end of the first page.
const CLOSING: &str = r".SH FILES
.TP
\fI/etc/pmm\-buffer/pmm\-buffer.yml\fR
Configuration of the service; every option is in it, at its default.
.TP
\fI/var/lib/pmm\-buffer\fR
The queue.
.SH EXIT STATUS
.TP
\fB0\fR
All is well.
.TP
\fB1\fR
Failure. The message says what happened, where, and what to do.
.TP
\fB64\fR
A wrong command line or configuration, which a restart would not mend.
.SH SEE ALSO
\fBsystemctl\fR(1), \fBjournalctl\fR(1); \fI/usr/share/doc/pmm\-buffer/docs/operations.md\fR
";

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: cli_files DIR")?);
    man_pages(&folder.join("man"))?;
    completions(&folder.join("completions"))
}

fn man_pages(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    man_page(&cli, folder, CLOSING)
}

/// The page of a command, and those of its subcommands.
fn man_page(command: &Command, folder: &Path, closing: &str) -> Result<()> {
    let page = Man::new(command.clone()).manual("pmm-buffer").source(format!("pmm-buffer {}", version()));
    let path = folder.join(page.get_filename());
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    page.render(&mut file)?;
    file.write_all(closing.as_bytes())?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        man_page(subcommand, folder, "")?;
    }
    Ok(())
}

fn completions(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "pmm-buffer", folder)?;
    }
    Ok(())
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
