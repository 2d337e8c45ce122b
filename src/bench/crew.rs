//! The agents of a run: processes that are started, killed and looked at together.

use super::contender::{Contender, Place};
use super::folder::{Folder, allocated_bytes};
use super::scenario::Event;
use super::text::Size;
use crate::harness::{Agent, Launch, ReservedPort, Usage};
use anyhow::{Context, bail};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bounds each wait for an agent to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Agents of one contender that send to one upstream. Dropped, they are killed and their folder is removed.
#[derive(Debug)]
pub(super) struct Crew {
    members: Vec<Member>,
    ready: String,
    /// After the members: they are gone before it.
    _folder: Folder,
}

#[derive(Debug)]
struct Member {
    /// None while it is stopped.
    agent: Option<Agent>,
    launch: Launch,
    data: PathBuf,
    /// What agents that have ended took.
    past: Usage,
    _port: ReservedPort,
}

impl Crew {
    /// Starts so many, each with a folder of its own in `parent`, and waits until they take pushes.
    pub(super) async fn start(
        contender: &Contender,
        count: usize,
        max_bytes: Option<Size>,
        url: &str,
        parent: &Path,
    ) -> anyhow::Result<Self> {
        let folder = Folder::new(parent, "pmm-buffer-bench")?;
        let member = |number: usize| -> anyhow::Result<Member> {
            let own = folder.path().join(number.to_string());
            fs::create_dir(&own).with_context(|| format!("cannot make the folder {}", own.display()))?;
            let port = ReservedPort::new().context("cannot bind a port of 127.0.0.1")?;
            let place = Place { listen: port.address(), url, folder: &own, max_bytes };
            let launch = contender.launch(&place)?;
            Ok(Member { agent: None, launch, data: place.data(), past: Usage::default(), _port: port })
        };
        let members = (0..count).map(member).collect::<anyhow::Result<Vec<_>>>()?;
        let mut crew = Self { members, ready: contender.profile.ready.clone(), _folder: folder };
        let started = async {
            crew.begin()?;
            crew.ready().await
        };
        started.await.with_context(|| format!("{} does not start", contender.name))?;
        Ok(crew)
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.launch.address).collect()
    }

    /// False from [`Event::Stop`] to [`Event::Start`].
    pub(super) fn is_running(&self) -> bool {
        self.members.iter().any(|member| member.agent.is_some())
    }

    /// Makes it happen to all of them. Those that are started are not waited for.
    pub(super) async fn play(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Kill => {
                for member in &mut self.members {
                    member.end()?.kill()?;
                }
            }
            Event::Restart | Event::Stop => {
                for member in &mut self.members {
                    member.end()?.terminate(PATIENCE).await?;
                }
            }
            Event::Start => {}
        }
        if event != Event::Stop {
            self.begin()?;
        }
        Ok(())
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            let binary = member.launch.binary.display();
            member.agent = Some(member.launch.start().with_context(|| format!("cannot start {binary}"))?);
        }
        Ok(())
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            let agent = member.agent.as_mut().expect("BUG: it has been started");
            agent.answers(&self.ready, PATIENCE).await?;
        }
        Ok(())
    }

    /// An error where one has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        for agent in self.members.iter_mut().filter_map(|member| member.agent.as_mut()) {
            if let Some(status) = agent.ended()? {
                bail!("the agent ended with {status}; the end of its log:\n{}", agent.log_tail());
            }
        }
        Ok(())
    }

    /// What all of them have taken so far.
    pub(super) fn usage(&self) -> Usage {
        self.members.iter().map(Member::usage).fold(Usage::default(), Usage::plus)
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.members.iter().map(|member| allocated_bytes(&member.data)).sum()
    }

    /// The end of the first one's log, for the user.
    pub(super) fn log_tail(&self) -> String {
        let agent = self.members.first().and_then(|member| member.agent.as_ref());
        agent.map_or(String::new(), Agent::log_tail)
    }
}

impl Member {
    /// Takes the running agent out, with what it took up to now on the account.
    fn end(&mut self) -> anyhow::Result<Agent> {
        let agent = self.agent.take().context("BUG: the scenario ends an agent that runs")?;
        self.past = self.past.then(agent.tree_usage()?);
        Ok(agent)
    }

    fn usage(&self) -> Usage {
        // One that ends just now counts again once it is ended.
        let now = self.agent.as_ref().and_then(|agent| agent.tree_usage().ok());
        self.past.then(now.unwrap_or_default())
    }
}
