use pmm_buffer::cli::{self, Command};
use pmm_buffer::{cmd, memory};
use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: it may only be done while there is one thread.
    memory::tune_malloc();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let ended = match cli.command {
        Command::Run(args) => cmd::run::run(&args),
        Command::CheckConfig(args) => Ok(cmd::check_config::run(&args)),
        Command::Status(args) => cmd::status::run(&args),
        Command::Queue { command } => cmd::queue::run(&command),
        Command::Demo(args) => cmd::demo::run(&args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
