//! The arguments of `pmm-agent`, and of what it has pmm-agent start.

use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// The subcommands of `pmm-agent`.
#[derive(Debug, Subcommand)]
pub enum PmmAgent {
    /// Has pmm-agent start vmagent by way of the buffer; keeps all else in pmm-agent.yaml byte for byte
    Install(Install),
    /// Shows whether pmm-agent pushes through the buffer; exit status 1 where it does not
    Status(AgentPlace),
    /// Has pmm-agent.yaml as it was before
    Uninstall(Uninstall),
}

/// The arguments of `pmm-agent install`.
#[derive(Debug, Args)]
pub struct Install {
    /// What is changed, and how.
    #[command(flatten)]
    pub change: Change,
    /// The real vmagent [default: the one that pmm-agent.yaml has]
    #[arg(long, value_name = "FILE")]
    pub vmagent: Option<PathBuf>,
}

/// The arguments of `pmm-agent uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// What is changed, and how.
    #[command(flatten)]
    pub change: Change,
    /// What the packages do before the program goes: nothing holds it up, a running pmm-agent is restarted, and what cannot
    /// be done is told with what to do; always exit status 0
    #[arg(long, conflicts_with_all = ["dry_run", "discard_queue", "restart"])]
    pub for_removal: bool,
}

/// The arguments of what changes pmm-agent.yaml.
#[derive(Debug, Args)]
pub struct Change {
    /// Where everything is.
    #[command(flatten)]
    pub place: AgentPlace,
    /// Shows what would be changed, and changes nothing
    #[arg(long, conflicts_with = "restart")]
    pub dry_run: bool,
    /// Restarts pmm-agent too, so that the change comes into force
    #[arg(long)]
    pub restart: bool,
    /// Goes on although vmagent's own queue holds samples, which it throws away when its URL changes
    #[arg(long)]
    pub discard_queue: bool,
}

/// Where pmm-agent and the buffer are.
#[derive(Debug, Args)]
pub struct AgentPlace {
    /// pmm-agent.yaml [default: that of PMM Client 3, else of PMM Client 2, else the one that was changed before]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for what pmm-agent starts and what it hands over; its user owns it [default: the one that pmm-agent.yaml names
    /// already, else /var/lib/pmm-buffer-shim]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Address of the buffer
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9431")]
    pub url: String,
}

/// The arguments of `vmagent-shim`. Has no `Debug`: a URL of vmagent's may have a password in it.
#[derive(Args)]
pub struct VmagentShim {
    /// File that says where vmagent, the buffer and the hand-over are [default: as PMM Client and pmm-buffer have them]
    #[arg(long, value_name = "FILE")]
    pub notes: Option<PathBuf>,
    /// What vmagent was meant to be started with
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}
