//! Before the program goes: pmm-agent must not be left with a vmagent that is not there any more.
//!
//! The scripts of the packages call it. It holds nothing up and never fails: what cannot be done is told on standard error,
//! and the link becomes vmagent itself, so that this host's metrics go on in any case.

use super::Found;
use super::host::{self, Leads};
use crate::cli::AgentPlace;
use std::path::Path;
use std::process::ExitCode;

/// There where systemd is the service manager, see sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

/// Has pmm-agent start vmagent itself again. Says nothing where it does.
pub(super) fn leave(place: &AgentPlace) -> ExitCode {
    let Some(config) = host::changed_config(place) else {
        return ExitCode::SUCCESS;
    };
    match Found::at(place, Some(config.clone())) {
        Ok(found) if found.is_redirected().unwrap_or(false) => take_back(&found),
        // pmm-agent may not have been restarted since.
        Ok(found) => drop(to_vmagent(&found)),
        Err(error) => {
            say(&format!("{error:#}"));
            say(&format!("if {} names pmm-buffer as `paths.vmagent`, take that line out", config.display()));
        }
    }
    ExitCode::SUCCESS
}

fn take_back(found: &Found) {
    let path = found.yaml.path.display();
    let bytes = host::vmagent_queue_bytes(&found.file);
    if bytes > 0 {
        say(&format!("vmagent's own queue holds {bytes} bytes for the buffer; they are lost with its URL"));
    }
    let linked = to_vmagent(found);
    let restored = found.restored().and_then(|(_, restored)| found.yaml.write(&restored));
    match (&restored, &linked) {
        (Ok(()), _) => say(&format!("{path} is as it was: pmm-agent starts vmagent itself")),
        (Err(error), Ok(())) => say(&format!(
            "{path} cannot be set back, and its `paths.vmagent` leads to vmagent itself from now on; take that line out: {error:#}"
        )),
        (Err(error), Err(link)) => say(&format!(
            "{path} cannot be set back, and this host will send no metrics until you take its line `vmagent:` out and restart \
             pmm-agent: {error:#}; {link:#}"
        )),
    }
    if !Path::new(BOOTED).is_dir() {
        return say("restart pmm-agent, if it runs");
    }
    match host::systemctl("try-restart") {
        Ok(()) => say("pmm-agent was restarted, if it ran"),
        Err(error) => say(&format!("restart pmm-agent: {error:#}")),
    }
}

/// What pmm-agent starts until it reads its file again, or where that cannot be changed.
fn to_vmagent(found: &Found) -> anyhow::Result<()> {
    match found.host.leads_to()? {
        Leads::Here => found.host.link_to(&found.host.notes()?.vmagent),
        Leads::Elsewhere => Ok(()),
    }
}

fn say(what: &str) {
    eprintln!("pmm-buffer: {what}");
}
