//! Which instance gets a request, and what happens when one is not there.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::Limits;

use crate::origin::{Origin, Then, ok, reply};
use crate::rig::{self, Client, PATIENCE, Rig};

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

fn rig_with(addresses: &[SocketAddr], retries: u32) -> (Rig, SocketAddr) {
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let mut plan = rig::plan(&[("", "/", "api")], &[("api", addresses)]);
    plan.routes[0].retries = retries;
    rig.apply(&plan);
    (rig, address)
}

#[test]
fn a_busy_instance_gets_no_more_while_another_is_free() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let slow = Origin::start(move |_, stream| {
        // Released or not, it answers in the end.
        let _released = wait.lock().unwrap().recv_timeout(PATIENCE);
        reply(stream, ok("slow"))
    });
    let (rig, address) = rig_with(&[slow.address], 0);
    let mut first = Client::connect(address);
    first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.eventually(|status| status.upstreams[0].endpoints[0].in_flight == 1);
    let free = Origin::fixed("free");
    let ready = rig::endpoints("api", &[slow.address, free.address]);
    rig::block_on(async { rig.line().await.endpoints("api", &ready).await }).unwrap();
    let mut second = Client::connect(address);
    for _ in 0..20 {
        assert_eq!(second.get("/").text(), "free");
    }
    release.send(()).unwrap();
    assert_eq!(first.response().text(), "slow");
}

#[test]
fn requests_are_spread_over_idle_instances() {
    let origins = [Origin::fixed("1"), Origin::fixed("2"), Origin::fixed("3")];
    let addresses = origins.each_ref().map(|origin| origin.address);
    let (rig, address) = rig_with(&addresses, 0);
    let mut client = Client::connect(address);
    for _ in 0..90 {
        client.get("/");
    }
    for endpoint in &rig.status().upstreams[0].endpoints {
        assert!(10 <= endpoint.requests, "{endpoint:?}");
    }
}

#[test]
fn an_instance_that_is_gone_costs_no_request_and_is_left_out() {
    let origin = Origin::fixed("here");
    let (rig, address) = rig_with(&[nobody(), origin.address], 1);
    let mut client = Client::connect(address);
    for _ in 0..50 {
        let response =
            client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi").response();
        assert_eq!(response.text(), "here");
    }
    let status = rig.status();
    let gone = &status.upstreams[0].endpoints[0];
    assert!((1..10).contains(&gone.connect_failures), "{gone:?}");
    assert_eq!(status.routes[0].retries, gone.connect_failures);
}

#[test]
fn with_nobody_there_the_answer_is_502_and_says_which_service() {
    let (rig, address) = rig_with(&[nobody(), nobody()], 5);
    let mut client = Client::connect(address);
    let response = client.get("/");
    assert_eq!(response.status, 502);
    assert!(response.text().contains("`api`"), "{}", response.text());
    let status = rig.status();
    assert_eq!(status.routes[0].errors.upstream, 1);
    // All are left out, yet the next request tries them again.
    assert_eq!(client.get("/").status, 502);
    let tried: u64 = rig.status().upstreams[0].endpoints.iter().map(|one| one.requests).sum();
    assert_eq!(tried, 4);
}

#[test]
fn without_a_ready_instance_the_answer_is_503_with_retry_after() {
    let (_rig, address) = rig_with(&[], 0);
    let response = Client::connect(address).get("/");
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert!(response.text().contains("`api`"), "{}", response.text());
}

/// Counts how often a request reaches an origin that closes without an answer.
fn attempts(request: &str, retries: u32) -> (usize, u16) {
    let count = Arc::new(AtomicUsize::new(0));
    let closing = || {
        let count = Arc::clone(&count);
        Origin::start(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            Then::Close
        })
    };
    let origins = [closing(), closing(), closing(), closing()];
    let (_rig, address) = rig_with(&origins.each_ref().map(|origin| origin.address), retries);
    let response = Client::connect(address).send(request).response();
    (count.load(Ordering::SeqCst), response.status)
}

#[test]
fn only_idempotent_requests_are_sent_again() {
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let put = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(attempts(get, 0), (1, 502));
    assert_eq!(attempts(get, 2), (3, 502));
    assert_eq!(attempts(put, 1), (2, 502));
    assert_eq!(attempts(post, 2), (1, 502));
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_request() {
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    let origin = Origin::start(move |_, stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        reply(stream, ok("x"));
        // It said nothing of closing.
        Then::Close
    });
    let (_rig, address) = rig_with(&[origin.address], 0);
    let mut client = Client::connect(address);
    for _ in 0..100 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(closed.load(Ordering::SeqCst), 100);
}

#[test]
fn connections_are_used_again_and_closed_with_their_endpoint() {
    let (first, second) = (Origin::fixed("1"), Origin::fixed("2"));
    let (rig, address) = rig_with(&[first.address], 0);
    let mut client = Client::connect(address);
    for _ in 0..50 {
        client.get("/");
    }
    assert_eq!(first.connections(), 1);
    let ready = rig::endpoints("api", &[second.address]);
    rig::block_on(async { rig.line().await.endpoints("api", &ready).await }).unwrap();
    assert_eq!(client.get("/").text(), "2");
    let deadline = std::time::Instant::now() + PATIENCE;
    while first.open() != 0 {
        assert!(std::time::Instant::now() < deadline, "the idle connection was not closed");
        std::thread::yield_now();
    }
}

#[test]
fn a_connection_that_does_not_open_in_time_is_504() {
    // A queue of length 0 that is full: further connections get no answer.
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let (family, kind) = (rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM);
    let socket = rustix::net::socket_with(family, kind, flags, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let full = TcpListener::from(socket);
    let target = full.local_addr().unwrap();
    let _fillers: Vec<_> = (0..4)
        .map(|_| std::net::TcpStream::connect_timeout(&target, Duration::from_millis(50)))
        .collect();
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let mut plan = rig::plan(&[("", "/", "api")], &[("api", &[target])]);
    plan.upstreams[0].connect_timeout = Duration::from_millis(100);
    rig.apply(&plan);
    let response = Client::connect(address).get("/");
    assert_eq!(response.status, 504);
    assert!(response.text().contains("`api`"), "{}", response.text());
}
