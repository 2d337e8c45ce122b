//! Where a queue is: the configuration, as far as it says so.

use crate::cli::{self, EXIT_USAGE};
use crate::config::{self, Config};
use std::process::ExitCode;

/// Prints what is wrong with a configuration.
pub(super) fn refuse(errors: &config::Errors) -> ExitCode {
    errors.iter().for_each(|error| eprintln!("error: {error}"));
    ExitCode::from(EXIT_USAGE)
}

/// The configuration, as far as it says where things are.
pub(super) fn config_of(place: &cli::Place) -> Result<Config, config::Errors> {
    let mut config = match (&place.data_dir, &place.config) {
        (None, Some(file)) => config::load(Some(file), &config::Overrides::default())?.config,
        _ => Config::default(),
    };
    if let Some(data_dir) = &place.data_dir {
        config.data_dir = data_dir.clone();
    }
    Ok(config)
}
