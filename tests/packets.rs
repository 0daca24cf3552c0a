//! What a connection of one request sends, by the system calls: each packet is a fifteenth of what the connection costs.

mod support;

use support::{Device, World, traced};

const CALLS: &str = "trace=sendto,sendmsg,sendmmsg,write,writev,shutdown";

/// What was done to sockets of TCP, a list of call and flags for each connection.
fn connections(trace: &str) -> Vec<Vec<String>> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    for line in trace.lines() {
        let Some((call, socket)) = line.split_once("(").and_then(|(before, after)| {
            Some((before.split_whitespace().last()?, after.split_once("<TCP:[")?.1.split_once(']')?.0))
        }) else {
            continue;
        };
        let held = if line.contains("MSG_MORE") { " held" } else { "" };
        let step = format!("{call}{held}");
        match found.iter_mut().find(|(known, _)| *known == socket) {
            Some((_, steps)) => steps.push(step),
            None => found.push((socket, vec![step])),
        }
    }
    found.into_iter().map(|(_, steps)| steps).collect()
}

#[test]
fn the_trace_is_understood() {
    let trace = concat!(
        "12 write(4<anon_inode:[eventfd]>, \"\\1\\0\", 8) = 8\n",
        "12 sendto(23<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\\26\\3\\3\\0005\", 53, MSG_NOSIGNAL, NULL, 0) = 53\n",
        "13 sendto(24<TCP:[127.0.0.1:1->127.0.0.1:3]>, \"\\26\\3\\3\\0005\", 53, MSG_NOSIGNAL, NULL, 0) = 53\n",
        "12 sendto(23<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\\27(\", 2, MSG_NOSIGNAL|MSG_MORE, NULL, 0) = 2\n",
        "12 shutdown(23<TCP:[127.0.0.1:1->127.0.0.1:2]>, SHUT_WR <unfinished ...>\n",
        "12 <... shutdown resumed>) = 0\n",
    );
    assert_eq!(connections(trace), [vec!["sendto", "sendto held", "shutdown"], vec!["sendto"]]);
}

/// The answer, `close_notify` and the end of our half are one packet where the device has said that its request is the
/// last, as the command for a single request does.
#[test]
fn a_single_request_takes_three_packets() {
    let mut world = World::prepared("[log]\nlevel = \"warn\"\n");
    let device = Device::numbered(1);
    traced::serve(&mut world, CALLS);
    let (registrar, ae_id) = (world.address.to_string(), device.ae_id());
    let add = ["credential", "add", "--psk-identity", &device.psk_identity, "--ae-id", &ae_id, "--generate"];
    drop(
        world
            .run(&[&add[..], &["--device-file", "light.toml", "--registrar", &registrar]].concat())
            .success(),
    );
    drop(world.run(&["device", "attach", "--device", "light.toml"]).success());
    let request = ["device", "request", "--device", "light.toml", "retrieve", device.stem.as_str()];
    drop(world.run(&request).success());

    let connections = connections(&traced::stop(&mut world));
    assert_eq!(connections.len(), 2, "{connections:?}");
    // Two flights of the handshake, then the answer.
    assert_eq!(connections[1], ["sendto", "sendto", "sendto held", "shutdown"]);
    // Nobody said that the registration was the last request: its answer, and close_notify when the device closed.
    assert_eq!(connections[0], ["sendto", "sendto", "sendto", "sendto"]);
}
