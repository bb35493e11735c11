//! Configuration changes under load: nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gateway::Limits;
use plan::{GatewayListener, GatewayPurpose};

use crate::origin::Origin;
use crate::rig::{self, Client, Rig};

/// Sends requests from several connections until `change` has returned; all must succeed.
fn under_load(address: std::net::SocketAddr, change: impl FnOnce()) {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").status, 200);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while count.load(Ordering::SeqCst) < 100 {
        std::thread::yield_now();
    }
    change();
    let after = count.load(Ordering::SeqCst) + 100;
    while count.load(Ordering::SeqCst) < after && !clients.iter().all(|client| client.is_finished())
    {
        std::thread::yield_now();
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn plans_are_applied_under_load_without_a_failed_request() {
    let origins = [Origin::fixed("1"), Origin::fixed("2")];
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let addresses = origins.each_ref().map(|origin| origin.address);
    let mut plan = rig::plan(&[("", "/", "api")], &[("api", &addresses)]);
    plan.routes[0].retries = 0;
    rig.apply(&plan);
    under_load(address, || {
        rig::block_on(async {
            let mut line = rig.line().await;
            for generation in 2..50 {
                plan.generation = generation;
                plan.routes.truncate(1);
                plan.routes.push(rig::route("", &format!("/{generation}"), "api"));
                assert_eq!(line.apply(&plan).await.unwrap(), generation);
            }
        });
    });
    let status = rig.status();
    assert_eq!((status.generation, status.totals.server_errors), (49, 0));
    assert_eq!(status.routes.len(), 2);
}

#[test]
fn endpoints_come_and_go_under_load_without_a_failed_request() {
    let origins = [Origin::fixed("1"), Origin::fixed("2"), Origin::fixed("3")];
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let addresses = origins.each_ref().map(|origin| origin.address);
    let mut plan = rig::plan(&[("", "/", "api")], &[("api", &addresses)]);
    plan.routes[0].retries = 0;
    rig.apply(&plan);
    under_load(address, || {
        rig::block_on(async {
            let mut line = rig.line().await;
            for round in 0..30 {
                let mut ready = rig::endpoints("api", &addresses);
                ready.remove(round % 3);
                line.endpoints("api", &ready).await.unwrap();
            }
        });
    });
    assert_eq!(rig.status().totals.server_errors, 0);
}

#[test]
fn an_older_generation_changes_nothing() {
    let (old, new) = (Origin::fixed("old"), Origin::fixed("new"));
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let mut plan = rig::plan(&[("", "/", "api")], &[("api", &[new.address])]);
    plan.generation = 7;
    rig.apply(&plan);
    let mut older = rig::plan(&[("", "/", "api")], &[("api", &[old.address])]);
    older.generation = 6;
    let generation = rig::block_on(async { rig.line().await.apply(&older).await }).unwrap();
    assert_eq!(generation, 7);
    assert_eq!(Client::connect(address).get("/").text(), "new");
}

#[test]
fn a_contradictory_plan_changes_nothing() {
    let origin = Origin::fixed("x");
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let plan = rig::plan(&[("", "/", "api")], &[("api", &[origin.address])]);
    rig.apply(&plan);
    let mut wrong = plan;
    wrong.generation = 2;
    wrong.routes[0].upstream = "nobody".to_owned();
    assert!(rig::block_on(async { rig.line().await.apply(&wrong).await }).is_err());
    let unknown = rig::block_on(async { rig.line().await.endpoints("nobody", &[]).await });
    assert!(unknown.is_err());
    assert_eq!(Client::connect(address).get("/").text(), "x");
}

#[test]
fn an_internal_listener_leads_to_its_service_and_believes_its_callers() {
    let origin = Origin::fixed("x");
    let mut rig = Rig::start(Limits::default());
    let web = rig.listen("web");
    let internal = rig.listen("@api");
    let metrics = rig.listen("metrics");
    let mut plan = rig::plan(&[], &[("api", &[origin.address])]);
    let listener = |name: &str, purpose| GatewayListener { name: name.to_owned(), purpose };
    plan.listeners.push(listener("@api", GatewayPurpose::Internal { upstream: "api".to_owned() }));
    plan.listeners.push(listener("metrics", GatewayPurpose::Metrics));
    rig.apply(&plan);
    assert_eq!(Client::connect(web).get("/").status, 404);
    let response = Client::connect(internal)
        .send(
            "GET /any HTTP/1.1\r\nHost: whatever\r\nX-Request-Id: mine\r\n\
             X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\r\n",
        )
        .response();
    assert_eq!((response.status, response.header("x-request-id")), (200, Some("mine")));
    let request = origin.request();
    assert_eq!(request.header("x-request-id"), Some("mine"));
    let chain: Vec<&str> = request.headers("x-forwarded-for").collect();
    assert_eq!(chain, ["9.9.9.9", "127.0.0.1"]);
    assert_eq!(request.headers("x-forwarded-proto").collect::<Vec<_>>(), ["https"]);
    let mut scraper = Client::connect(metrics);
    assert_eq!(scraper.get("/").status, 404);
    let page = scraper.get("/metrics");
    for line in [
        "mainstay_gateway_requests_total{route=\"@api\",code=\"200\"} 1",
        "mainstay_gateway_request_duration_seconds_count{route=\"@api\"} 1",
        "mainstay_gateway_rejected_requests_total{reason=\"no_route\"} 1",
        "mainstay_gateway_upstream_requests_total{service=\"api\",instance=\"api-1\"} 1",
        "mainstay_gateway_connections{listener=\"metrics\"} 1",
    ] {
        assert!(page.text().lines().any(|found| found == line), "{line}\n{}", page.text());
    }
}

#[test]
fn a_listener_without_a_plan_says_so_and_a_closed_one_is_silent() {
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let response = Client::connect(address).get("/");
    assert_eq!(response.status, 503);
    rig.send_packet(br#"{"close":"web"}"#, &[]);
    rig.close_listeners();
    rig.eventually(|_| std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_thousand_routes_are_all_found() {
    let origin = Origin::fixed("x");
    let mut rig = Rig::start(Limits::default());
    let address = rig.listen("web");
    let mut plan = rig::plan(&[], &[("api", &[origin.address])]);
    plan.routes = (0..1000).map(|index| rig::route("", &format!("/r/{index}/"), "api")).collect();
    rig.apply(&plan);
    let mut client = Client::connect(address);
    for index in (0..1000).step_by(37) {
        assert_eq!(client.get(&format!("/r/{index}/x")).status, 200);
    }
    assert_eq!(client.get("/r/1000/x").status, 404);
    let status = rig.status();
    let counted: u64 = status.routes.iter().map(|route| route.responses.success).sum();
    assert_eq!((counted, status.rejected.get("no_route")), (28, Some(&1)));
}
