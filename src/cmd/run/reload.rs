//! SIGHUP, or a change of what PMM hands over: what can be changed is changed, what cannot is said.

use super::follow::Followed;
use crate::config::{self, Config, Upstream};
use crate::queue::Appender;
use crate::replay::Replay;
use crate::server::State;
use crate::telemetry::logging::LevelHandle;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Where the configuration comes from, at the start and at each reload.
pub(super) struct Source {
    pub(super) file: Option<PathBuf>,
    pub(super) overrides: config::Overrides,
}

impl Source {
    pub(super) fn load(&self) -> Result<config::Loaded, config::Errors> {
        config::load(self.file.as_deref(), &self.overrides)
    }
}

/// Loads the configuration again and puts in force what of it can be.
pub(super) fn reload(
    source: &Source,
    in_force: &watch::Sender<Arc<Config>>,
    level: &LevelHandle,
    state: &State<Appender>,
    replays: &[Replay],
    followed: &mut Followed,
) {
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(errors) => {
            for error in errors.iter() {
                tracing::error!(%error, "configuration not reloaded, the one in force stays");
            }
            return;
        }
    };
    *followed = Followed::new(loaded.followed);
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let old = in_force.borrow().clone();
    let loaded = with_known_urls(&old, loaded.config);
    let difference = config::difference(&old, &loaded);
    let new = merged(&old, loaded);
    level.set(new.log.level);
    state.set_limits(new.server.clone(), new.import);
    for settings in super::settings(&new) {
        let name = &settings.upstream.name;
        if let Some(replay) = replays.iter().find(|replay| replay.progress().name == *name) {
            replay.reload(settings);
        }
    }
    in_force.send_replace(Arc::new(new));
    tracing::info!(applied = %list(&difference.apply), "configuration reloaded");
    if !difference.needs_restart.is_empty() {
        tracing::warn!(keys = %list(&difference.needs_restart), "these take effect at the next restart");
    }
}

/// The new configuration, where it says nothing any more of where an upstream is, with what was said last: that is more
/// likely to be right than nothing.
fn with_known_urls(old: &Config, mut new: Config) -> Config {
    for upstream in new.upstreams.iter_mut().filter(|upstream| upstream.awaits.is_some()) {
        let known = old.upstreams.iter().find(|old| old.name == upstream.name && old.awaits.is_none());
        if let Some(known) = known {
            tracing::warn!(upstream = %known.name, "nothing says any more where to send to, what was said last stays");
            *upstream = known.clone();
        }
    }
    new
}

/// The new configuration, but for what a running agent cannot change.
fn merged(old: &Config, new: Config) -> Config {
    let settings_of = |upstream: &Upstream| {
        let renewed = new.upstreams.iter().find(|candidate| candidate.name == upstream.name);
        renewed.unwrap_or(upstream).clone()
    };
    let upstreams = old.upstreams.iter().map(settings_of).collect();
    let log = config::Log { level: new.log.level, format: old.log.format };
    let (listen, data_dir, queue) = (old.listen, old.data_dir.clone(), old.queue.clone());
    Config { listen, data_dir, queue, upstreams, log, ..new }
}

fn list(keys: &[String]) -> String {
    if keys.is_empty() { "nothing changed".to_owned() } else { keys.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn named(name: &str, timeout: u64) -> Upstream {
        let remote_timeout = Duration::from_secs(timeout);
        Upstream { name: name.into(), remote_timeout, ..Upstream::new("http://a") }
    }

    #[test]
    fn what_needs_a_restart_stays_as_it_was() {
        let old = Config { upstreams: vec![named("a", 1), named("b", 1)], ..Config::default() };
        let mut new = Config { upstreams: vec![named("c", 2), named("a", 2)], ..Config::default() };
        new.queue.max_bytes = 1 << 40;
        new.server.max_connections = 7;
        let difference = config::difference(&old, &new);
        let merged = merged(&old, new.clone());
        assert_eq!(merged.queue, old.queue);
        assert_eq!(merged.server, new.server);
        assert_eq!(merged.upstreams, [named("a", 2), named("b", 1)]);
        // Against the new one, what is left is what was said to need a restart.
        assert_eq!(config::difference(&merged, &new).needs_restart, difference.needs_restart);
        assert_eq!(config::difference(&merged, &new).apply, Vec::<String>::new());
    }
}
