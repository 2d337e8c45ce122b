use pmm_buffer::cli::{self, Command};
use pmm_buffer::{cmd, memory};
use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: it may only be done while there is one thread.
    memory::tune_malloc();
    if let Some(link) = cmd::vmagent_shim::link() {
        return exit_code(cmd::vmagent_shim::by_link(&link));
    }
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    exit_code(match cli.command {
        Command::Run(args) => cmd::run::run(&args),
        Command::CheckConfig(args) => Ok(cmd::check_config::run(&args)),
        Command::Status(args) => cmd::status::run(&args),
        Command::Queue { command } => cmd::queue::run(&command),
        Command::PmmAgent { command } => cmd::pmm_agent::run(&command),
        Command::VmagentShim(args) => cmd::vmagent_shim::run(args),
        Command::Demo(args) => cmd::demo::run(&args),
        Command::Bench { command } => cmd::bench::run(&command),
    })
}

fn exit_code(ended: anyhow::Result<ExitCode>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
