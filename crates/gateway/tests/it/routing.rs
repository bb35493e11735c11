//! Which service gets a request, and what it gets.

use gateway::Limits;

use crate::origin::{Origin, ok, reply};
use crate::rig::{self, Client, Rig};

/// Who answers, by its body.
fn check(routes: &[(&str, &str, &str)], requests: &[(&str, &str, &str)]) {
    let (a, b) = (Origin::fixed("a"), Origin::fixed("b"));
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig.apply(&rig::plan(routes, &[("a", &[a.address]), ("b", &[b.address])]));
    let mut client = Client::connect(address);
    for (host, path, expected) in requests {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let response = client.send(request).response();
        let answer = match response.status {
            200 => response.text().to_owned(),
            status => status.to_string(),
        };
        assert_eq!(answer, *expected, "{host}{path}");
    }
}

#[test]
fn the_longest_path_wins_and_an_unknown_one_is_404_on_the_same_connection() {
    check(
        &[("", "/app", "a"), ("", "/app/api/", "b")],
        &[
            ("h", "/app", "a"),
            ("h", "/app/x?y=/app/api/", "a"),
            ("h", "/app/api/", "b"),
            ("h", "/app/api", "a"),
            ("h", "/apps", "404"),
            ("h", "/", "404"),
            ("h", "/app", "a"),
        ],
    );
}

#[test]
fn hosts_are_matched_without_case_port_and_trailing_dot() {
    check(
        &[("a.example", "/", "a"), ("", "/b", "b")],
        &[
            ("A.EXAMPLE.:99", "/", "a"),
            ("a.example", "/b", "a"),
            ("b.example", "/b", "b"),
            ("b.example", "/", "404"),
        ],
    );
}

#[test]
fn a_prefix_cannot_be_climbed_around() {
    check(
        &[("", "/", "a"), ("", "/admin", "b")],
        &[
            ("h", "/x/../admin", "b"),
            ("h", "//admin", "b"),
            ("h", "/./admin", "b"),
            ("h", "/%61dmin", "b"),
            ("h", "/x/%2e%2e/admin", "b"),
            ("h", "/admin%2fx", "400"),
        ],
    );
}

#[test]
fn a_service_gets_the_path_that_was_matched_and_who_the_client_is() {
    let origin = Origin::fixed("a");
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let mut plan = rig::plan(&[("", "/app/", "a")], &[("a", &[origin.address])]);
    plan.routes[0].strip = true;
    rig.apply(&plan);
    let response = Client::connect(address)
        .send(
            "GET /app//x/./%7e?q=%2e HTTP/1.1\r\nHost: h:1\r\nConnection: x-hop, keep-alive\r\n\
             X-Hop: 1\r\nX-Forwarded-For: 9.9.9.9\r\nX_Forwarded_For: 9.9.9.9\r\n\
             Forwarded: for=9.9.9.9\r\nX-Request-Id: mine\r\nTE: trailers\r\nX-Keep: 1\r\n\
             traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n\
             tracestate: a=b\r\n\r\n",
        )
        .response();
    let request = origin.request();
    assert_eq!(request.target(), "/x/~?q=%2e");
    assert_eq!(request.header("host"), Some("h:1"));
    assert_eq!(request.headers("x-forwarded-for").collect::<Vec<_>>(), ["127.0.0.1"]);
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    assert_eq!(request.header("x-forwarded-host"), Some("h:1"));
    let forwarded = "for=127.0.0.1;proto=http;host=\"h:1\"";
    assert_eq!(request.headers("forwarded").collect::<Vec<_>>(), [forwarded]);
    for gone in ["x-hop", "te", "connection", "x_forwarded_for"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    assert_eq!(request.header("x-keep"), Some("1"));
    assert_eq!(request.header("via"), Some("1.1 mainstay"));
    let id = request.header("x-request-id").unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(response.header("x-request-id"), Some(id));
    let trace = request.header("traceparent").unwrap();
    assert!(trace.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{trace}");
    assert!(trace.ends_with("-00") && !trace.contains("00f067aa0ba902b7"), "{trace}");
    assert_eq!(request.header("tracestate"), Some("a=b"));
}

#[test]
fn a_trace_that_starts_here_is_called_like_its_request() {
    let origin = Origin::start(|_, stream| reply(stream, ok("")));
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    rig.apply(&rig::plan(&[("", "/", "a")], &[("a", &[origin.address])]));
    Client::connect(address).get("/");
    let request = origin.request();
    let id = request.header("x-request-id").unwrap();
    assert!(request.header("traceparent").unwrap().starts_with(&format!("00-{id}-")));
}
