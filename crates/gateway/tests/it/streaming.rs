//! Bodies, tunnels, event streams: what comes is passed on at once, and what is incomplete is seen
//! to be incomplete.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gateway::Limits;
use tokio_tungstenite::tungstenite::Message;

use crate::origin::{Origin, Request, Then, ok, reply};
use crate::rig::{self, Client, PATIENCE, Rig};

fn serve(
    behaviour: impl Fn(&Request, &mut TcpStream) -> Then + Send + Sync + 'static,
) -> (Rig, Origin, SocketAddr) {
    let origin = Origin::start(behaviour);
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig.apply(&rig::plan(&[("", "/", "api")], &[("api", &[origin.address])]));
    (rig, origin, address)
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn large_bodies_arrive_as_they_were_sent_in_both_directions() {
    let (_rig, _origin, address) = serve(|request, stream| {
        let chunked = request.header("transfer-encoding").is_some();
        if !chunked {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len());
            drop(stream.write_all(head.as_bytes()));
            return reply(stream, &request.body);
        }
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for piece in request.body.chunks(10_007) {
            drop(stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()));
            drop(stream.write_all(piece));
            drop(stream.write_all(b"\r\n"));
        }
        reply(stream, "0\r\n\r\n")
    });
    let body = noise(3 << 20);
    let mut client = Client::connect(address);
    for _ in 0..2 {
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
        client.send(head).send(&body);
        assert!(client.response().body == body);
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in body.chunks(33_333) {
            client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
        }
        client.send("0\r\n\r\n");
        assert!(client.response().body == body);
    }
}

#[test]
fn a_client_that_reads_slowly_holds_the_upstream_back() {
    let (taken, wait) = channel();
    let taken = Mutex::new(taken);
    let (_rig, _origin, address) = serve(move |_, stream| {
        let body = vec![b'x'; 64 << 20];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        reply(stream, head);
        stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut sent = 0;
        while let Ok(count) = stream.write(&body[sent..])
            && 0 < count
        {
            sent += count;
        }
        taken.lock().unwrap().send(sent).unwrap();
        Then::Close
    });
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let taken = wait.recv_timeout(PATIENCE).unwrap();
    // The sockets' buffers hold some megabytes; the gateway's own must not grow beyond a piece.
    assert!(taken < 40 << 20, "{taken} bytes were taken for a client that reads nothing");
    assert_eq!(client.head().0, 200);
    assert!(client.body("length", Some(64 << 20)).is_err());
}

#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let (next, events) = channel::<String>();
    let events = Mutex::new(events);
    let (_rig, _origin, address) = serve(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        drop(stream.write_all(head.as_bytes()));
        while let Ok(event) = events.lock().unwrap().recv_timeout(PATIENCE) {
            drop(stream.write_all(event.as_bytes()));
        }
        Then::Close
    });
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    assert_eq!(client.head().0, 200);
    for number in 0..10 {
        let event = format!("data: {number}\n\n");
        next.send(event.clone()).unwrap();
        assert_eq!(client.chunk(), event.as_bytes());
    }
    drop(next);
    assert_eq!(client.chunk(), b"");
}

#[test]
fn an_upstream_that_dies_in_the_middle_never_looks_complete() {
    let (rig, _origin, address) = serve(|request, stream| {
        let head = match request.target() {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n",
        };
        reply(stream, format!("{head}half"));
        Then::Close
    });
    for (path, framing) in [("/length", "length"), ("/chunked", "chunked")] {
        let mut client = Client::connect(address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(client.head().0, 200);
        assert!(client.body(framing, Some(100)).is_err(), "{path}");
    }
    let mut client = Client::connect(address);
    client.send("GET /chunked HTTP/1.0\r\nHost: h\r\n\r\n");
    assert_eq!(client.head().0, 200);
    assert!(client.body("close", None).is_err());
    rig.eventually(|status| status.routes[0].errors.upstream == 3);
}

#[test]
fn a_client_that_leaves_ends_the_request_upstream() {
    let (ended, wait) = channel();
    let ended = Mutex::new(ended);
    let (rig, origin, address) = serve(move |_, stream| {
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        ended.lock().unwrap().send(()).unwrap();
        Then::Close
    });
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    origin.request();
    drop(client);
    wait.recv_timeout(PATIENCE).unwrap();
    let status = rig.eventually(|status| status.routes[0].errors.client == 1);
    assert_eq!(status.routes[0].responses.client_error, 1);
}

#[test]
fn a_client_that_waits_for_permission_gets_it_from_the_service() {
    let (_rig, _origin, address) =
        serve(|request, stream| reply(stream, ok(&format!("{}", request.body.len()))));
    let mut client = Client::connect(address);
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().0, 100);
    assert_eq!(client.send("abc").response().text(), "3");
}

#[test]
fn an_answer_before_the_end_of_the_body_reaches_the_client() {
    // This origin reads heads alone.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig.apply(&rig::plan(&[("", "/", "api")], &[("api", &[listener.local_addr().unwrap()])]));
    let mut client = Client::connect(address);
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nstart");
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!").unwrap();
    let response = client.response();
    assert_eq!((response.status, response.text()), (413, "no!"));
    assert_eq!(response.header("connection"), Some("close"));
}

/// A WebSocket server that sends back what it gets.
async fn echo(listener: tokio::net::TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        if message.is_close() {
            break;
        }
        socket.send(message).await.unwrap();
    }
    // The other side may have gone first.
    drop(socket.close(None).await);
}

#[test]
fn a_websocket_works_as_if_nobody_stood_between() {
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig::block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = listener.local_addr().unwrap();
        let plan = rig::plan(&[("", "/", "api")], &[("api", &[target])]);
        rig.line().await.apply(&plan).await.unwrap();
        let client = async {
            let url = format!("ws://{address}/socket");
            let (mut socket, response) = tokio_tungstenite::connect_async(url).await.unwrap();
            assert!(response.headers().contains_key("x-request-id"));
            for length in [0, 1, 125, 126, 65_536, 1 << 20] {
                let message = Message::binary(noise(length));
                socket.send(message.clone()).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), message);
            }
            let endpoint = rig.line().await.status().await.unwrap().upstreams.remove(0);
            assert_eq!(endpoint.endpoints[0].in_flight, 1, "a tunnel keeps its endpoint busy");
            socket.close(None).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        };
        tokio::join!(echo(listener), client);
    });
    let status = rig.eventually(|status| status.totals.connections == 0);
    assert_eq!(status.routes[0].responses.informational, 1);
    assert_eq!(status.upstreams[0].endpoints[0].in_flight, 0);
}

#[test]
fn each_half_of_a_tunnel_ends_by_itself() {
    let (_rig, _origin, address) = serve(|_, stream| {
        let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\n\r\nhello ";
        drop(stream.write_all(upgrade.as_bytes()));
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        drop(stream.write_all(&all));
        Then::Close
    });
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.head().0, 101);
    client.send("world");
    client.stream.shutdown(Shutdown::Write).unwrap();
    let (rest, ended) = client.rest();
    ended.unwrap();
    assert_eq!(rest, b"hello world");
}

#[test]
fn streams_do_not_starve_small_requests() {
    const LARGE: usize = 50 << 20;
    let body = Arc::new(vec![b'x'; LARGE]);
    let (_rig, _origin, address) = serve(move |request, stream| {
        if request.target() == "/small" {
            return reply(stream, ok("small"));
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        drop(stream.write_all(head.as_bytes()));
        reply(stream, body.as_slice())
    });
    let readers: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
                client.head();
                client.discard(LARGE);
            })
        })
        .collect();
    let mut client = Client::connect(address);
    for _ in 0..50 {
        assert_eq!(client.get("/small").text(), "small");
    }
    for reader in readers {
        reader.join().unwrap();
    }
}
