//! The scenes of docs/fleet.md.

use crate::pages::{write_plot, write_table};
use crate::sim::{Manners, Model, Policy, SECOND, Scene, Spread, Story, quantile, run};
use crate::table;
use pmm_buffer::bench::report::chart::{Chart, Line};

const CORES: usize = 8;
const AGENTS: usize = 1_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// vmagent sends a request for each second of each agent; beyond so many, a scene would take minutes.
const MAX_PUSHES: u64 = 10_000_000;

const BUFFER: Policy = Policy::Buffer(Manners::ALL);
const ONE_QUEUE: Policy = Policy::Vmagent { queues: 1 };
const EIGHT_QUEUES: Policy = Policy::Vmagent { queues: 8 };
const POLICIES: [(&str, Policy); 3] =
    [("pmm-buffer", BUFFER), ("vmagent, 1 queue", ONE_QUEUE), ("vmagent, 8 queues", EIGHT_QUEUES)];

/// Runs all of them and writes the page.
pub fn report() -> anyhow::Result<()> {
    an_hour()?;
    sizes()?;
    manners()?;
    twice()?;
    small_servers()
}

fn scene(policy: Policy, agents: usize, outage: u64) -> Scene {
    Scene { policy, agents, outage, patience: 24 * HOUR, model: Model::measured(CORES), seed: 1 }
}

fn stories(scenes: impl IntoIterator<Item = (&'static str, Scene)>) -> Vec<(String, Story)> {
    let tell = |(name, scene): (&str, Scene)| {
        eprintln!("{name}: {} agents, {} s …", scene.agents, scene.outage);
        (name.to_owned(), run(&scene))
    };
    scenes.into_iter().map(tell).collect()
}

fn an_hour() -> anyhow::Result<()> {
    let stories = stories(POLICIES.map(|(name, policy)| (name, scene(policy, AGENTS, HOUR))));
    write_table("hour", &table::of_stories(&stories))?;
    let plot = |name, title: &str, y, points: fn(&Story) -> Vec<(f64, f64)>| {
        let line =
            |(number, (name, story)): (usize, &(String, Story))| Line::new(name, number, points(story));
        let lines = stories.iter().enumerate().map(line).collect();
        let chart =
            Chart { title: title.to_owned(), x: "seconds after the outage", y, lines, ..Chart::default() };
        write_plot(name, &chart.file())
    };
    plot("load", "Load of the server", "cores at work", load)?;
    plot("waiting", "Requests that wait for a core", "most in a second", waiting)?;
    plot("current", "Agents that are current again", "percent", current)
}

/// Means of five seconds: work is booked where it begins.
fn load(story: &Story) -> Vec<(f64, f64)> {
    let mean = |(at, part): (usize, &[crate::sim::Second])| {
        let busy: u64 = part.iter().map(|second| second.busy_us).sum();
        (5.0 * at as f64, busy as f64 / (part.len() as u64 * SECOND) as f64)
    };
    story.seconds.chunks(5).enumerate().map(mean).collect()
}

fn waiting(story: &Story) -> Vec<(f64, f64)> {
    story.seconds.iter().enumerate().map(|(at, second)| (at as f64, second.waiting as f64)).collect()
}

fn current(story: &Story) -> Vec<(f64, f64)> {
    (0..=100)
        .filter_map(|percent| {
            Some((quantile(&story.current, f64::from(percent) / 100.0)?, f64::from(percent)))
        })
        .collect()
}

/// Until all are current, and the server's CPU time, for each size of a fleet and length of an outage.
fn sizes() -> anyhow::Result<()> {
    let outages = [("1 min", MINUTE), ("10 min", 10 * MINUTE), ("1 h", HOUR), ("12 h", 12 * HOUR)];
    let cell = |agents: usize, outage: u64| {
        eprintln!("{agents} agents, {outage} s …");
        let tell = |policy| {
            let story = run(&scene(policy, agents, outage));
            (table::seconds(quantile(&story.current, 1.0)), story.cpu_seconds())
        };
        let (ours, our_cpu) = tell(BUFFER);
        if agents as u64 * outage > MAX_PUSHES {
            return ours;
        }
        let (theirs, their_cpu) = tell(ONE_QUEUE);
        format!("{ours} : {theirs} ({:.2})", our_cpu / their_cpu)
    };
    let rows = [1, 10, 100, 500, 1_000, 2_000].into_iter().map(|agents| {
        let cells = outages.iter().map(|(_, outage)| cell(agents, *outage));
        std::iter::once(agents.to_string()).chain(cells).collect()
    });
    let header: Vec<&str> = std::iter::once("agents").chain(outages.iter().map(|(name, _)| *name)).collect();
    write_table("sizes", &table::of_rows(&header, rows))
}

/// Each rule switched off, one at a time.
fn manners() -> anyhow::Result<()> {
    let all = Manners::ALL;
    let none = Manners { jitter: false, spread: Spread::Off, ramp: false };
    let longer = Spread::Of { share: 10, most: 300 * SECOND };
    let variants = [
        ("all", all),
        ("no jitter", Manners { jitter: false, ..all }),
        ("no spread", Manners { spread: Spread::Off, ..all }),
        ("a tenth of the outage, 300 s at most", Manners { spread: longer, ..all }),
        ("no ramp", Manners { ramp: false, ..all }),
        ("none", none),
    ];
    for (name, outage, cores) in
        [("manners-minute", MINUTE, CORES), ("manners-hour", HOUR, CORES), ("manners-small", HOUR, CORES / 2)]
    {
        let scenes = variants.map(|(name, manners)| {
            let model = Model::measured(cores);
            (name, Scene { model, ..scene(Policy::Buffer(manners), AGENTS, outage) })
        });
        write_table(name, &table::of_stories(&stories(scenes)))?;
    }
    Ok(())
}

/// Too many agents for a server: with all rules, and with none.
fn twice() -> anyhow::Result<()> {
    let none = Manners { jitter: false, spread: Spread::Off, ramp: false };
    let scenes = [("all", Manners::ALL), ("none", none)].map(|(name, manners)| {
        let model = Model::measured(CORES / 2);
        (name, Scene { model, ..scene(Policy::Buffer(manners), 2 * AGENTS, HOUR) })
    });
    write_table("twice", &table::of_stories(&stories(scenes)))
}

/// Servers that stand less: one that refuses, one that falls over.
fn small_servers() -> anyhow::Result<()> {
    let with = |model: Model| {
        POLICIES.map(|(name, policy)| (name, Scene { model, ..scene(policy, AGENTS, 10 * MINUTE) }))
    };
    let refuses = Model { max_waiting: 256, ..Model::measured(CORES) };
    write_table("refuses", &table::of_stories(&stories(with(refuses))))?;
    let falls = Model { crash_at: Some(1_500), ..Model::measured(CORES) };
    write_table(
        "falls",
        &table::of_stories(&stories(
            with(falls).map(|(name, scene)| (name, Scene { patience: HOUR, ..scene })),
        )),
    )
}
