//! The simulation itself.

use super::buffer::Buffer;
use super::events::{Event, Events, Id, Place};
use super::sender::{Batch, End, Sender, Step};
use super::server::{Arrival, Server};
use super::story::Story;
use super::vmagent::Vmagent;
use super::{CURRENT, Micros, Policy, SAMPLES_PER_SECOND, SECOND, SERIES, Scene};
use pmm_buffer::harness::Rng;
use std::collections::HashMap;
use std::time::Instant;

/// Attempts during a long outage are all alike: what lies between the first of them and the last minutes is skipped.
const ALIKE_AFTER: u32 = 12;
const LAST: Micros = 200 * SECOND;

/// Runs a scene until all agents are current.
pub fn run(scene: &Scene) -> Story {
    let mut fleet = Fleet::new(scene);
    while let Some((now, event)) = fleet.events.next() {
        if fleet.behind == 0 || now > fleet.up_at + scene.patience * SECOND {
            break;
        }
        fleet.now = now;
        fleet.take(event);
    }
    fleet.story
}

struct Agent {
    sender: Box<dyn Sender>,
    /// Pushes come so long after each full second.
    phase: Micros,
    attempts: u32,
    /// What the server has: all before `stored`, and these.
    stored: u64,
    ahead: Vec<u64>,
    /// Series that the server knows, as of its present life.
    warm: u64,
    warm_in_life: u32,
}

struct Request {
    place: Place,
    batch: Batch,
    sent: Micros,
    life: u32,
    end: Option<End>,
    /// The sender waits for it.
    is_awaited: bool,
}

struct Fleet {
    now: Micros,
    up_at: Micros,
    events: Events,
    server: Server,
    scene: Scene,
    agents: Vec<Agent>,
    requests: HashMap<Id, Request>,
    next_id: Id,
    /// Agents that are not current.
    behind: usize,
    story: Story,
}

impl Fleet {
    fn new(scene: &Scene) -> Self {
        let mut rng = Rng::new(scene.seed);
        let epoch = Instant::now();
        let agents: Vec<Agent> = (0..scene.agents).map(|_| agent(scene.policy, epoch, &mut rng)).collect();
        let none = vec![None; scene.agents];
        let story = Story { first_delivery: none.clone(), current: none, ..Story::default() };
        let mut fleet = Self {
            now: 0,
            up_at: scene.outage * SECOND,
            events: Events::default(),
            server: Server::new(scene.model),
            scene: *scene,
            behind: agents.len(),
            agents,
            requests: HashMap::new(),
            next_id: 0,
            story,
        };
        fleet.events.plan(fleet.up_at, Event::Up);
        for agent in 0..fleet.agents.len() as u32 {
            for queue in 0..fleet.agents[agent as usize].sender.queues() {
                fleet.events.plan(0, Event::Wake(Place { agent, queue }));
            }
        }
        fleet
    }

    fn agent(&mut self, place: Place) -> &mut Agent {
        &mut self.agents[place.agent as usize]
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Up => self.server.start(),
            Event::Wake(place) => self.step(place),
            Event::Finished(id) => self.finished(id),
            Event::Answered(id) => self.answered(id),
            Event::WaitedTooLong(id) => {
                if self.server.give_up(id) {
                    self.answer(id, End::Busy);
                }
            }
            Event::Deadline(id) => self.deadline(id),
        }
    }

    /// Lets a sender do what it does next.
    fn step(&mut self, place: Place) {
        let now = self.now;
        let agent = self.agent(place);
        let produced = (now.saturating_sub(agent.phase)) / SECOND;
        match agent.sender.step(place.queue, produced, now) {
            Step::Send(batch) => self.send(place, batch),
            Step::Wait(until) => {
                let until = self.skip(place, until);
                self.events.plan(until, Event::Wake(place));
            }
            Step::Idle => {
                let next = agent.phase + (produced + 1) * SECOND;
                self.events.plan(next, Event::Wake(place));
            }
        }
    }

    /// A wait of an outage, without what is alike.
    fn skip(&mut self, place: Place, until: Micros) -> Micros {
        let (now, last) = (self.now, self.up_at.saturating_sub(LAST));
        let agent = self.agent(place);
        agent.attempts += 1;
        if agent.attempts < ALIKE_AFTER * agent.sender.queues() || until >= last {
            until
        } else {
            last + (until - now)
        }
    }

    fn send(&mut self, place: Place, batch: Batch) {
        let id = self.next_id;
        self.next_id += 1;
        let (sent, life) = (self.now, self.server.life);
        let deadline = sent + self.agent(place).sender.deadline();
        let arrival = self.server.arrive(id);
        self.requests.insert(id, Request { place, batch, sent, life, end: None, is_awaited: true });
        match arrival {
            Arrival::Refused => return self.end(id, End::Refused),
            Arrival::Busy => self.answer(id, End::Busy),
            Arrival::Started => self.work(id),
            Arrival::Waits => {
                self.events.plan(sent + self.scene.model.max_wait, Event::WaitedTooLong(id));
                let waiting = self.server.waiting();
                let second = self.story.second(sent - self.up_at);
                second.waiting = second.waiting.max(waiting);
            }
            Arrival::Crashed => return self.crash(),
        }
        self.story.requests += 1;
        self.events.plan(deadline, Event::Deadline(id));
    }

    /// A core begins with a request.
    fn work(&mut self, id: Id) {
        let life = self.server.life;
        let Request { place, batch, .. } = self.requests[&id];
        let agent = self.agent(place);
        if agent.warm_in_life != life {
            (agent.warm, agent.warm_in_life) = (0, life);
        }
        let cold = batch.series().min(SERIES - agent.warm);
        agent.warm += cold;
        let cost = self.scene.model.cost(batch.series(), cold, batch.samples());
        self.events.plan(self.now + cost, Event::Finished(id));
        let after = self.now - self.up_at;
        self.story.second(after).busy_us += cost;
    }

    fn finished(&mut self, id: Id) {
        // What a server worked on that is gone.
        let Some(request) = self.requests.get(&id).filter(|request| request.life == self.server.life) else {
            return;
        };
        let (place, batch) = (request.place, request.batch);
        self.store(place, batch);
        self.answer(id, End::Delivered);
        if let Some(next) = self.server.finished() {
            self.work(next);
        }
    }

    /// The server has a batch.
    fn store(&mut self, place: Place, batch: Batch) {
        let agent = &mut self.agents[place.agent as usize];
        for push in batch.first..batch.first + batch.pushes {
            if push < agent.stored || agent.ahead.contains(&push) {
                self.story.repeated += SAMPLES_PER_SECOND;
                continue;
            }
            self.story.samples += SAMPLES_PER_SECOND;
            if push > agent.stored {
                agent.ahead.push(push);
                self.story.out_of_order += SAMPLES_PER_SECOND;
                continue;
            }
            agent.stored += 1;
            while let Some(at) = agent.ahead.iter().position(|ahead| *ahead == agent.stored) {
                agent.ahead.swap_remove(at);
                agent.stored += 1;
            }
        }
        self.story.second(self.now - self.up_at).samples += batch.samples();
    }

    fn answer(&mut self, id: Id, end: End) {
        let request = self.requests.get_mut(&id).expect("a request ends once");
        request.end = Some(end);
        self.events.plan(self.now + self.scene.model.round_trip, Event::Answered(id));
    }

    fn answered(&mut self, id: Id) {
        let Some(request) = self.requests.get(&id) else { return };
        let (is_awaited, end, took) = (request.is_awaited, request.end, self.now - request.sent);
        if !is_awaited {
            self.requests.remove(&id);
            return;
        }
        let second = self.story.second(self.now - self.up_at);
        second.answer_us = second.answer_us.max(took);
        self.end(id, end.expect("it was answered"));
    }

    fn deadline(&mut self, id: Id) {
        let Some(request) = self.requests.get_mut(&id).filter(|request| request.is_awaited) else { return };
        // The server does not know that nobody waits: it has the whole request, and will do the work.
        request.is_awaited = false;
        let place = request.place;
        self.tell(place, End::Timeout);
    }

    fn end(&mut self, id: Id, end: End) {
        let request = self.requests.remove(&id).expect("a request ends once");
        if request.is_awaited {
            self.tell(request.place, end);
        }
    }

    /// All connections break, and nobody listens until it is started again.
    fn crash(&mut self) {
        self.story.crashes += 1;
        self.server.crash();
        self.events.plan(self.now + self.scene.model.restart, Event::Up);
        let mut broken: Vec<Id> = self.requests.keys().copied().collect();
        broken.sort_unstable();
        broken.into_iter().for_each(|id| self.end(id, End::Broken));
    }

    fn tell(&mut self, place: Place, end: End) {
        let (now, after) = (self.now, self.now.saturating_sub(self.up_at) as f64 / SECOND as f64);
        self.story.busy += u64::from(end == End::Busy);
        self.story.timeouts += u64::from(end == End::Timeout);
        let agent = &mut self.agents[place.agent as usize];
        agent.sender.ended(place.queue, end, now);
        let at = place.agent as usize;
        if end == End::Delivered {
            self.story.first_delivery[at].get_or_insert(after);
            let produced = now.saturating_sub(agent.phase) / SECOND;
            if self.story.current[at].is_none() && agent.sender.settled() + CURRENT >= produced {
                self.story.current[at] = Some(after);
                self.behind -= 1;
            }
        }
        self.events.plan(now, Event::Wake(place));
    }
}

fn agent(policy: Policy, epoch: Instant, rng: &mut Rng) -> Agent {
    let seed = rng.bits();
    let sender: Box<dyn Sender> = match policy {
        Policy::Buffer(manners) => Box::new(Buffer::new(manners, epoch, seed)),
        Policy::Vmagent { queues } => Box::new(Vmagent::new(queues, seed)),
    };
    let phase = rng.below(SECOND);
    Agent { sender, phase, attempts: 0, stored: 0, ahead: Vec::new(), warm: 0, warm_in_life: 0 }
}
