//! What is slow ends, in time and with a reason.

use std::io::Write as _;
use std::time::Duration;

use gateway::Limits;

use crate::origin::{Origin, Then, ok, reply};
use crate::rig::{self, Client, PATIENCE, Rig};

const SHORT: Duration = Duration::from_millis(150);

fn start(limits: Limits) -> (Rig, Origin, std::net::SocketAddr) {
    let origin = Origin::start(|request, stream| match request.target() {
        "/silent" => {
            // Longer than any deadline of these tests, shorter than a test may take.
            let mut byte = [0];
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            drop(std::io::Read::read(stream, &mut byte));
            Then::Close
        }
        "/stalls" => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
            let mut byte = [0];
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            drop(std::io::Read::read(stream, &mut byte));
            Then::Close
        }
        _ => reply(stream, ok("x")),
    });
    let mut rig = Rig::start(limits);
    let address = rig.listen("web");
    let mut plan = rig::plan(&[("", "/", "api")], &[("api", &[origin.address])]);
    plan.routes[0].timeout = SHORT;
    rig.apply(&plan);
    (rig, origin, address)
}

#[test]
fn a_service_that_does_not_answer_is_504_with_its_name() {
    let (rig, _origin, address) = start(Limits::default());
    let mut client = Client::connect(address);
    for (accept, expected) in [
        ("application/json", "\"service\":\"api\""),
        ("text/html,*/*", "<p>The service `api` did not answer in time.</p>"),
        ("*/*", "The service `api` did not answer in time."),
    ] {
        let request = format!("GET /silent HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n");
        let response = client.send(request).response();
        assert_eq!(response.status, 504);
        let text = response.text();
        assert!(text.contains(expected), "{accept}: {text}");
        assert!(text.contains(response.header("x-request-id").unwrap()), "{text}");
    }
    assert_eq!(rig.status().routes[0].errors.upstream, 3);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_response_that_stops_coming_is_cut() {
    let (_rig, _origin, address) = start(Limits { silence: SHORT, ..Limits::default() });
    let mut client = Client::connect(address);
    client.send("GET /stalls HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head().0, 200);
    assert!(client.body("length", Some(9)).is_err());
}

#[test]
fn a_head_that_comes_too_slowly_is_408() {
    let (rig, _origin, address) = start(Limits { head: SHORT, ..Limits::default() });
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost");
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    client.expect_end();
    assert_eq!(rig.status().rejected.get("slow_head"), Some(&1));
}

#[test]
fn a_body_that_comes_too_slowly_is_408() {
    let (_rig, _origin, address) = start(Limits { stall: SHORT, ..Limits::default() });
    let mut client = Client::connect(address);
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf");
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    client.expect_end();
}

#[test]
fn connections_without_requests_are_closed() {
    let limits = Limits { head: SHORT, idle: SHORT, ..Limits::default() };
    let (rig, _origin, address) = start(limits);
    Client::connect(address).expect_end();
    let mut client = Client::connect(address);
    assert_eq!(client.get("/").status, 200);
    client.expect_end();
    rig.eventually(|status| status.totals.connections == 0);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let (_rig, _origin, address) = start(Limits { connections: Some(1), ..Limits::default() });
    // One per thread is served; the others wait, and all are served in the end.
    let clients: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
                Client::connect(address).send(request).response().status
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
}
