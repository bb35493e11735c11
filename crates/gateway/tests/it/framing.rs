//! The rules of RFC 9110 and 9112 as tables, each case through real sockets.
//!
//! A request's case says what the upstream must have understood, or with which status we refuse;
//! a response's case says what the client must have understood. The upstream parses with code of
//! its own, so what is forwarded is proved to read the same there.

mod requests;
mod responses;

use std::sync::Arc;

use gateway::Limits;

use crate::origin::{Origin, Request, Then, ok, reply};
use crate::rig::{self, Client, Rig};

/// One row: what it is, where the rule stands, what is sent, what must come of it.
type Case = (&'static str, &'static str, &'static [u8], &'static str);

/// What the upstream understood, as one line.
fn describe(request: &Request) -> String {
    let mut words = request.head.split(' ');
    let method = words.next().unwrap();
    let mut text = format!("{method} {}", request.target());
    for name in ["host", "content-length", "transfer-encoding", "expect", "upgrade"] {
        for value in request.headers(name) {
            text = format!("{text} {name}={value}");
        }
    }
    if !request.body.is_empty() {
        text = format!("{text} body={}", request.body.escape_ascii());
    }
    text
}

#[test]
fn every_request_is_forwarded_as_understood_or_refused() {
    let origin = Origin::start(|request, stream| reply(stream, ok(&describe(request))));
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig.apply(&rig::plan(&[("", "/", "a")], &[("a", &[origin.address])]));
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, clause, input, expected) in requests() {
        count += 1;
        let actual = outcome(Client::connect(address), &input);
        if actual != expected {
            wrong.push(format!("{name} ({clause}): {actual}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{count} cases, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(150 <= count, "only {count} cases");
}

/// Every case with its whole request.
fn requests() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>, &'static str)> {
    let get = "GET / HTTP/1.1\r\nHost: h\r\n".to_owned();
    let post = "POST / HTTP/1.1\r\nHost: h\r\n".to_owned();
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    let tables = [
        (String::new(), requests::CASES),
        (get, requests::FIELDS),
        (post, requests::POSTS),
        (chunked, requests::CHUNKS),
    ];
    let whole = |(start, cases): (String, &'static [Case])| {
        cases.iter().map(move |(name, clause, rest, expected)| {
            (*name, *clause, [start.as_bytes(), rest].concat(), *expected)
        })
    };
    tables.into_iter().flat_map(whole).chain(requests::generated())
}

/// Sends a request and says what came of it. A refusal must end the connection.
fn outcome(mut client: Client, input: &[u8]) -> String {
    let method = if input.starts_with(b"HEAD") { "HEAD" } else { "GET" };
    let mut response = client.send(input).response_to(method);
    if response.status == 100 {
        response = client.response_to(method);
    }
    match response.status {
        200 if method == "HEAD" => "200".to_owned(),
        200 => response.text().to_owned(),
        status if response.header("connection") == Some("close") => {
            client.expect_end();
            status.to_string()
        }
        status => format!("{status} keep-alive"),
    }
}

#[test]
fn every_response_reaches_the_client_as_understood_or_as_502() {
    let bytes: Arc<[&[u8]]> = responses::CASES.iter().map(|(_, _, input, _)| *input).collect();
    let origin = Origin::start(move |request, stream| {
        let number = request.target().trim_start_matches('/').split('-').next().unwrap();
        reply(stream, bytes[number.parse::<usize>().unwrap()]);
        Then::Close
    });
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let mut plan = rig::plan(&[("", "/", "a")], &[("a", &[origin.address])]);
    plan.routes[0].retries = 0;
    rig.apply(&plan);
    let mut wrong = Vec::new();
    for (number, (name, clause, _, expected)) in responses::CASES.iter().enumerate() {
        let (method, version) = match name.split(' ').next().unwrap() {
            "HEAD" => ("HEAD", "1.1"),
            "1.0" => ("GET", "1.0"),
            _ => ("GET", "1.1"),
        };
        let mut client = Client::connect(address);
        client.send(format!("{method} /{number} HTTP/{version}\r\nHost: h\r\n\r\n"));
        let actual = responses::understand(client, method);
        if actual != *expected {
            wrong.push(format!("{name} ({clause}): {actual}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let origin = Origin::start(|request, stream| reply(stream, ok(&describe(request))));
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig.apply(&rig::plan(&[("", "/", "a")], &[("a", &[origin.address])]));
    let mut client = Client::connect(address);
    client.send(
        "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab\
         POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n\
         \r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /4 HTTP/1.1\r\nHost: h\r\n\r\n\
         GET /5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /6 HTTP/1.1\r\n",
    );
    let second = "POST /2 host=h transfer-encoding=chunked body=c";
    assert_eq!(client.response().text(), "POST /1 host=h content-length=2 body=ab");
    assert_eq!(client.response().text(), second);
    assert_eq!(client.response().text(), "GET /3 host=h");
    assert_eq!(client.response_to("HEAD").status, 200);
    assert_eq!(client.response().text(), "GET /5 host=h");
    client.expect_end();
}

#[test]
fn a_request_reads_the_same_however_it_is_cut() {
    let origin = Origin::start(|request, stream| reply(stream, ok(&describe(request))));
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig.apply(&rig::plan(&[("", "/", "a")], &[("a", &[origin.address])]));
    let request = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
        4;x=y\r\nabcd\r\n10\r\n0123456789abcdef\r\n0\r\nt: v\r\n\r\n";
    let expected = "POST /a host=h transfer-encoding=chunked body=abcd0123456789abcdef";
    let mut client = Client::connect(address);
    for at in 1..request.len() {
        let (first, second) = request.split_at(at);
        client.send(first);
        // Lets the first part arrive alone, most of the time.
        std::thread::yield_now();
        client.send(second);
        assert_eq!(client.response().text(), expected, "cut at {at}");
    }
    for byte in request {
        client.send([*byte]);
    }
    assert_eq!(client.response().text(), expected);
}
