//! A pair of servers behind a virtual IP, as a cluster manager runs it: one of them is active, with the address and the
//! volume; the other takes over both.
//!
//! ```text
//!  the test's namespace          switch                    node-a, node-b
//!  pushers ─▶ agent ── eth0 ── port, bridge, ports ── eth0, vip ── VictoriaMetrics ── shared folder
//! ```
//!
//! The folder is the volume: only the active node's VictoriaMetrics has it open. Pushes flow throughout. What the agent
//! answered has to be in the database afterwards, and the agent has to find the other node by itself.
//!
//! Each test runs itself again in namespaces of its own, so that networks and processes are gone with it, however it ends.
//! Where namespaces cannot be made, it says so on stderr and passes.

#[path = "../common/alone.rs"]
mod alone;
mod network;
mod pair;
mod wake;

use network::in_own_network;
use pair::{NODE_A, NODE_B, Pair};

#[test]
fn a_clean_standby_takes_over() {
    in_own_network("a_clean_standby_takes_over", async || {
        let mut pair = Pair::start().await;
        pair.stop_server().await;
        pair.held_up().await;
        network::take_address(NODE_A);
        pair.take_over(NODE_B).await;
        pair.nothing_is_missing("clean standby").await;
    });
}

#[test]
fn the_active_server_is_killed() {
    in_own_network("the_active_server_is_killed", async || {
        let mut pair = Pair::start().await;
        pair.kill_server();
        pair.held_up().await;
        network::take_address(NODE_A);
        pair.take_over(NODE_B).await;
        pair.nothing_is_missing("kill -9").await;
    });
}

#[test]
fn the_link_is_cut_and_the_node_fenced() {
    in_own_network("the_link_is_cut_and_the_node_fenced", async || {
        let mut pair = Pair::start().await;
        network::cut_link(NODE_A);
        // Nobody tells the agent: it finds out by what is not acknowledged.
        pair.held_up().await;
        pair.kill_server();
        pair.take_over(NODE_B).await;
        pair.nothing_is_missing("link cut, then fencing").await;
    });
}

#[test]
fn the_node_is_fenced_before_the_agent_misses_it() {
    in_own_network("the_node_is_fenced_before_the_agent_misses_it", async || {
        let mut pair = Pair::start().await;
        network::cut_link(NODE_A);
        pair.kill_server();
        pair.take_over(NODE_B).await;
        pair.nothing_is_missing("link cut and fencing at once").await;
    });
}

#[test]
fn a_link_is_silent_for_a_while() {
    in_own_network("a_link_is_silent_for_a_while", async || {
        let mut pair = Pair::start().await;
        network::be_told_nothing(NODE_A);
        network::cut_link(NODE_A);
        pair.held_up().await;
        // So long that the kernel alone would not soon try again.
        pair.pushes_go_on(2).await;
        network::mend_link(NODE_A);
        pair.is_back().await;
        pair.nothing_is_missing("silent link").await;
    });
}
