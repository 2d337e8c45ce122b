//! Nodes, a switch between them, and an address that moves: network namespaces, made with iproute2.

use crate::alone;
use std::io::{self, Write};
use std::process::Command;

/// The new process is the first of its process namespace: with it, all its children end.
const OWN: &str = "--net --mount --pid --fork --kill-child --mount-proc";
/// All that the tests need of the kernel.
const PROBE: &str = "mount -t tmpfs none /run && ip netns add probe && ip link add name one type veth peer name other \
                     && ip link add name vip link one type macvlan mode bridge";
/// Lines that begin so are for the one who runs the tests.
pub const REMARK: &str = "vip: ";

/// The address that moves.
pub const VIP: [u8; 4] = [10, 77, 0, 100];

/// Runs `body` in a process with a network, mounts and processes of its own; `test` is the whole name of the test that calls.
/// Where the host lets nobody make such, it says so and runs nothing.
pub fn in_own_network(test: &str, body: impl AsyncFnOnce()) {
    if alone::is_inside() {
        // `ip netns` keeps names there.
        run("mount", "-t tmpfs none /run");
        return alone::block_on(body());
    }
    let Some(options) = alone::allowed(OWN, &["sh", "-c", PROBE]) else {
        // Directly, as the test runner shows nothing else of a test that passes.
        let why = "needs iproute2 and namespaces: root, or kernel.unprivileged_userns_clone";
        let _ = writeln!(io::stderr(), "{REMARK}SKIPPED {test}: {why}");
        return;
    };
    for remark in alone::start_again(test, &options).lines().filter(|line| line.starts_with(REMARK)) {
        let _ = writeln!(io::stderr(), "{remark}");
    }
}

/// Runs a program to its end. Panics where it fails.
fn run(program: &str, args: &str) {
    output(program, args);
}

/// What a program writes. Panics where it fails.
fn output(program: &str, args: &str) -> String {
    let output = Command::new(program).args(args.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `ip` with these arguments. Panics where it fails.
fn ip(args: &str) {
    run("ip", args);
}

/// Makes the switch, with this namespace at one of its ports. It goes with the process.
pub fn build() {
    ip("link set lo up");
    ip("netns add switch");
    ip("-n switch link add name bridge type bridge");
    ip("-n switch link set bridge up");
    ip("link add name eth0 type veth peer name client netns switch");
    ip("-n switch link set client master bridge up");
    ip("addr add 10.77.0.9/24 dev eth0");
    ip("link set eth0 up");
}

/// An address that is not there at first.
pub const FAR: [u8; 4] = [10, 78, 0, 1];

/// A namespace without a network but the loopback, and a device for [`FAR`].
pub fn add_loopback() {
    ip("link set lo up");
    ip("link add name far type veth peer name other");
    ip("link set far up");
}

pub fn add_far_address() {
    ip(&far_address("add"));
}

pub fn remove_far_address() {
    ip(&far_address("del"));
}

fn far_address(verb: &str) -> String {
    let [a, b, c, d] = FAR;
    format!("addr {verb} {a}.{b}.{c}.{d}/24 dev far")
}

/// Adds a node at a port of the switch, which has not the address.
pub fn add_node(node: &str) {
    ip(&format!("netns add {node}"));
    ip(&format!("-n switch link add name {node} type veth peer name eth0 netns {node}"));
    ip(&format!("-n switch link set {node} master bridge up"));
    ip(&format!("-n {node} link set lo up"));
    ip(&format!("-n {node} link set eth0 up"));
    // A device of its own for the address: when it comes up, the kernel sends a gratuitous ARP.
    ip(&format!("-n {node} link add name vip link eth0 type macvlan mode bridge"));
    run("ip", &format!("netns exec {node} sysctl -qw net.ipv4.conf.vip.arp_notify=1"));
}

/// Gives the address to a node, which tells the network so.
pub fn give_address(node: &str) {
    let [a, b, c, d] = VIP;
    ip(&format!("-n {node} addr add {a}.{b}.{c}.{d}/24 dev vip"));
    ip(&format!("-n {node} link set vip up"));
}

/// Takes it from a node. On a device that is down it would still be answered for.
pub fn take_address(node: &str) {
    ip(&format!("-n {node} link set vip down"));
    ip(&format!("-n {node} addr flush dev vip"));
}

/// The client takes the node for where the address is, whatever the network says: as behind a router, nothing tells it
/// that what it sends arrives nowhere. With what kernels before 6.5 do, which repeat after 1, 3 and 7 s.
pub fn be_told_nothing(node: &str) {
    let [a, b, c, d] = VIP;
    let link = output("ip", &format!("-n {node} -br link show vip"));
    let hardware = link.split_whitespace().nth(2).expect("name, state, hardware address");
    ip(&format!("neigh replace {a}.{b}.{c}.{d} lladdr {hardware} nud permanent dev eth0"));
    // Older kernels have no such setting.
    let _ = std::fs::write("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", "0");
}

/// The node's port of the switch comes up again.
pub fn mend_link(node: &str) {
    ip(&format!("-n switch link set {node} up"));
}

/// The node's port of the switch goes down. The node keeps what it has, and nobody sees it.
pub fn cut_link(node: &str) {
    ip(&format!("-n switch link set {node} down"));
}
