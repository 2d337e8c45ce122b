//! The command line as typed.
//!
//! Exit codes: 0 fine, 1 failure, 64 bad configuration or usage (`EX_USAGE`).

mod bench;
mod dead_letter;
mod pmm_agent;

pub use bench::{Bench, BenchCompare, BenchLoad, BenchPlaces, BenchPlay, BenchRun, BenchShow, BenchTune};
pub use dead_letter::{
    DeadLetter, ExportFormat, ExportLetters, ListLetters, PurgeLetters, RetryLetters, ShowLetter,
};
pub use pmm_agent::{AgentPlace, Change, Install, PmmAgent, Uninstall, VmagentShim};

use crate::config;
use clap::{Args, Parser, Subcommand, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code for a wrong command line or configuration: what a restart would not mend.
pub const EXIT_USAGE: u8 = 64;

/// The one secret that can be given without a file. Not a flag: a command line can be read by every user.
const PASSWORD_VARIABLE: &str = "PMM_BUFFER_REMOTE_WRITE_PASSWORD";

/// A durable buffer for pushed metrics, between a host monitored by PMM Client and PMM Server
#[derive(Parser)]
#[command(name = "pmm-buffer", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Has no `Debug`: a URL may have a password in it.
#[derive(Subcommand)]
pub enum Command {
    /// Runs the agent: takes pushes, makes them durable, sends them on
    Run(Run),
    /// Checks a configuration file: prints what would be in force, or every error with its line
    CheckConfig(CheckConfig),
    /// Shows the state of a running agent: backlog, age, upstreams, last error
    Status(Status),
    /// Looks into the queue on disk, checks it, mends one that does not open; handles what upstreams refused
    Queue {
        /// What to do.
        #[command(subcommand)]
        command: Queue,
    },
    /// Has this host's pmm-agent push through the buffer, or no longer
    PmmAgent {
        /// What to do.
        #[command(subcommand)]
        command: PmmAgent,
    },
    /// Started by pmm-agent in place of vmagent: hands its upstream over, and becomes vmagent
    VmagentShim(VmagentShim),
    /// Shows the main job: outage, kill -9, restart, catch-up, verdict
    Demo(Demo),
    /// Measures this agent and others: load like that of PMM hosts, faults, and an upstream that checks every sample
    Bench {
        /// What to do.
        #[command(subcommand)]
        command: Bench,
    },
}

/// The arguments of `run`.
#[derive(Args)]
#[command(
    after_help = "A flag beats its variable, a variable beats the file; an empty one counts as not given. \
    The password for --remote-write-username can be given as PMM_BUFFER_REMOTE_WRITE_PASSWORD."
)]
pub struct Run {
    /// Configuration file; every option is in config/pmm-buffer.yml
    #[arg(long, value_name = "FILE", env = "PMM_BUFFER_CONFIG")]
    pub config: Option<PathBuf>,
    /// What takes the place of the file's values.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// What can be said without a file. Checked where the file is, with the same messages. Its `Debug` shows nothing: a URL may
/// have a password in it.
#[derive(Args, Default)]
pub struct Overrides {
    /// Where pushes are taken [default: 127.0.0.1:9431]
    #[arg(long, value_name = "IP:PORT", env = "PMM_BUFFER_LISTEN", hide_env_values = true)]
    listen: Option<String>,
    /// Where the queue lives [default: /var/lib/pmm-buffer]
    #[arg(long, value_name = "FOLDER", env = "PMM_BUFFER_DATA_DIR", hide_env_values = true)]
    data_dir: Option<String>,
    /// Disk space for what waits, such as 1GiB [default: 1GiB]
    #[arg(long, value_name = "SIZE", env = "PMM_BUFFER_QUEUE_MAX_BYTES", hide_env_values = true)]
    queue_max_bytes: Option<String>,
    /// How far back delivery begins again when an upstream was away, such as 10s; 0s is off [default: 10s]
    #[arg(long, value_name = "DURATION", env = "PMM_BUFFER_QUEUE_REWIND", hide_env_values = true)]
    queue_rewind: Option<String>,
    /// What is logged: error, warn, info or debug [default: info]
    #[arg(long, value_name = "LEVEL", env = "PMM_BUFFER_LOG_LEVEL", hide_env_values = true)]
    log_level: Option<String>,
    /// How it is logged: text or json [default: text]
    #[arg(long, value_name = "FORMAT", env = "PMM_BUFFER_LOG_FORMAT", hide_env_values = true)]
    log_format: Option<String>,
    /// Where everything is sent
    #[arg(long, value_name = "URL", env = "PMM_BUFFER_REMOTE_WRITE_URL", hide_env_values = true)]
    remote_write_url: Option<String>,
    /// User for basic authentication; service_token for a token of PMM Server
    #[arg(long, value_name = "NAME", env = "PMM_BUFFER_REMOTE_WRITE_USERNAME", hide_env_values = true)]
    remote_write_username: Option<String>,
    /// File with the password
    #[arg(long, value_name = "FILE", env = "PMM_BUFFER_REMOTE_WRITE_PASSWORD_FILE", hide_env_values = true)]
    remote_write_password_file: Option<String>,
    /// File with the certificate authorities to trust instead of the system's
    #[arg(long, value_name = "FILE", env = "PMM_BUFFER_REMOTE_WRITE_CA_FILE", hide_env_values = true)]
    remote_write_ca_file: Option<String>,
    /// Takes any certificate: whoever is in between can read everything
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        env = "PMM_BUFFER_REMOTE_WRITE_INSECURE_SKIP_VERIFY",
        hide_env_values = true
    )]
    remote_write_insecure_skip_verify: Option<String>,
}

impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Overrides")
    }
}

impl Overrides {
    /// With what only the environment may say.
    pub fn with_environment(&self) -> config::Overrides {
        self.with_password(std::env::var_os(PASSWORD_VARIABLE))
    }

    fn with_password(&self, password: Option<OsString>) -> config::Overrides {
        config::Overrides {
            listen: self.listen.clone(),
            data_dir: self.data_dir.clone(),
            queue_max_bytes: self.queue_max_bytes.clone(),
            queue_rewind: self.queue_rewind.clone(),
            log_level: self.log_level.clone(),
            log_format: self.log_format.clone(),
            remote_write_url: self.remote_write_url.clone(),
            remote_write_username: self.remote_write_username.clone(),
            remote_write_password: password
                .map(|password| config::Secret::new(password.to_string_lossy().into_owned())),
            remote_write_password_file: self.remote_write_password_file.clone(),
            remote_write_ca_file: self.remote_write_ca_file.clone(),
            remote_write_insecure_skip_verify: self.remote_write_insecure_skip_verify.clone(),
        }
    }
}

/// The arguments of `check-config`.
#[derive(Debug, Args)]
pub struct CheckConfig {
    /// Configuration file; flags and variables of `run` are left out of account
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Address of the agent
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9431")]
    pub url: String,
    /// Prints the JSON of /api/v1/status
    #[arg(long)]
    pub json: bool,
    /// Only asks whether the agent lives, whatever its upstreams and its disk do: for a liveness probe
    #[arg(long, conflicts_with = "json")]
    pub alive: bool,
}

/// The subcommands of `queue`.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// Shows segments, positions, time spans, series and bytes; changes nothing, and the agent may be running
    Inspect(Survey),
    /// Reads every record and tells what is damaged; changes nothing, and the agent may be running
    Verify(Survey),
    /// Mends a queue that the agent refuses to open; the agent has to be stopped
    Repair(Place),
    /// Shows, exports, sends again or removes what upstreams refused for good; the agent may be running
    DeadLetter {
        /// What to do.
        #[command(subcommand)]
        command: DeadLetter,
    },
}

/// The arguments of `queue inspect` and `queue verify`.
#[derive(Debug, Args)]
pub struct Survey {
    /// Where the queue is.
    #[command(flatten)]
    pub place: Place,
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
}

/// Where a queue is.
#[derive(Debug, Args)]
pub struct Place {
    /// The agent's data_dir [default: that of the configuration file, else /var/lib/pmm-buffer]
    #[arg(long, value_name = "FOLDER", env = "PMM_BUFFER_DATA_DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,
    /// Configuration file of the agent
    #[arg(long, value_name = "FILE", env = "PMM_BUFFER_CONFIG")]
    pub config: Option<PathBuf>,
}

/// The arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Remote-write URL of a real server to send to, instead of one that the demo brings
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// How long the outage lasts, in seconds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
}

/// Parses the command line.
///
/// # Errors
///
/// The exit code, once help, version or what is wrong has been printed.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        // A reader that has seen enough (`| head`) is no failure.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn kind(args: &[&str]) -> ErrorKind {
        Cli::try_parse_from(args).err().expect("not a command").kind()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_arguments_print_help_and_wrong_ones_do_not_run() {
        assert_eq!(kind(&["pmm-buffer"]), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
        assert_eq!(kind(&["pmm-buffer", "--version"]), ErrorKind::DisplayVersion);
        assert_eq!(kind(&["pmm-buffer", "rum"]), ErrorKind::InvalidSubcommand);
        assert_eq!(kind(&["pmm-buffer", "check-config"]), ErrorKind::MissingRequiredArgument);
        assert_eq!(kind(&["pmm-buffer", "demo", "--seconds", "0"]), ErrorKind::ValueValidation);
        assert_eq!(kind(&["pmm-buffer", "run", "--remote-write-password", "x"]), ErrorKind::UnknownArgument);
    }

    #[test]
    fn flags_become_overrides() {
        let args = ["pmm-buffer", "run", "--listen", "127.0.0.1:1", "--remote-write-insecure-skip-verify"];
        let Command::Run(run) = Cli::try_parse_from(args).expect("a command").command else {
            panic!("not run");
        };
        let overrides = run.overrides.with_password(Some("hunter2".into()));
        assert_eq!(overrides.listen.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(overrides.remote_write_insecure_skip_verify.as_deref(), Some("true"));
        assert_eq!(overrides.remote_write_password, Some(config::Secret::new("hunter2")));
    }

    #[test]
    fn every_override_has_its_variable_and_hides_it() {
        let command = Cli::command();
        let run = command.find_subcommand("run").expect("there is one");
        for arg in run.get_arguments().filter(|arg| arg.get_id() != "help") {
            let flag = arg.get_long().expect("every one has a flag");
            let variable = format!("PMM_BUFFER_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(variable.as_str()));
            assert!(flag == "config" || arg.is_hide_env_values_set(), "{flag} would show its value");
        }
    }

    #[test]
    fn letters_are_removed_or_sent_only_where_it_is_said_which() {
        let of = |args: &[&str]| {
            let args = ["pmm-buffer", "queue", "dead-letter"].iter().chain(args).copied().collect::<Vec<_>>();
            Cli::try_parse_from(args).err().map(|error| error.kind())
        };
        for command in ["purge", "retry"] {
            assert_eq!(of(&[command]), Some(ErrorKind::MissingRequiredArgument));
            assert_eq!(of(&[command, "1", "--all"]), Some(ErrorKind::ArgumentConflict));
            assert_eq!(of(&[command, "1", "2"]), None);
            assert_eq!(of(&[command, "--all"]), None);
        }
        assert_eq!(of(&["purge", "--before", "soon"]), Some(ErrorKind::ValueValidation));
        assert_eq!(of(&["purge", "--before", "2026-01-31"]), None);
        assert_eq!(
            of(&["purge", "--before", "2026-01-31T18:00:00Z", "--all"]),
            Some(ErrorKind::ArgumentConflict)
        );
    }

    #[test]
    fn status_and_demo_have_defaults() {
        let Command::Status(status) =
            Cli::try_parse_from(["pmm-buffer", "status"]).expect("a command").command
        else {
            panic!("not status");
        };
        assert_eq!((status.url.as_str(), status.json), ("http://127.0.0.1:9431", false));
        let Command::Demo(demo) = Cli::try_parse_from(["pmm-buffer", "demo"]).expect("a command").command
        else {
            panic!("not demo");
        };
        assert_eq!((demo.upstream, demo.seconds), (None, 10));
    }
}
