//! CPU time per request, against nginx, in one run.
//!
//! Both proxies sit on the same core before the same origin and take turns, a few seconds at a
//! time; what is compared is the CPU time that each process used per request answered, so a busy
//! machine disturbs it little. nginx runs twice: bare but for its routes, and with the header
//! fields that the gateway writes; the gateway does everything it always does, counters and
//! histograms per route included. Run: `cargo bench -p gateway --bench nginx`; it needs nginx,
//! wrk and taskset.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::fs;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gateway::{Gateway, Limits, Options};
use plan::{EndpointPlan, GatewayListener, GatewayPlan, GatewayPurpose, RoutePlan, UpstreamPlan};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sockopt,
};

const ORIGIN: u16 = 22_901;
const NGINX: u16 = 22_902;
const GATEWAY: u16 = 22_903;
const SAME: u16 = 22_904;
const SECONDS: u32 = 1;
const ROUNDS: usize = 11;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--serve") {
        return serve(Path::new(&arguments[at + 1]));
    }
    let rounds = arguments.iter().find_map(|argument| argument.strip_prefix("--rounds="));
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let routes = arguments.iter().find_map(|argument| argument.strip_prefix("--routes="));
    let routes = routes.map_or(10, |routes| routes.parse().unwrap());
    let hold = arguments.iter().any(|argument| argument == "--hold");
    let directory = tempfile::tempdir().unwrap();
    let origin = Process::nginx(&directory.path().join("origin"), (1, ORIGIN), &origin_server());
    let server = nginx_server(NGINX, routes, "");
    let nginx = Process::nginx(&directory.path().join("nginx"), (0, NGINX), &server);
    let server = nginx_server(SAME, routes, FIELDS);
    let same = Process::nginx(&directory.path().join("same"), (0, SAME), &server);
    let (gateway, _line) = Process::gateway(&directory.path().join("gateway"), routes);
    if hold {
        println!(
            "gateway {} on {GATEWAY}, nginx {} on {NGINX}",
            gateway.serving(),
            nginx.serving()
        );
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    println!("{routes} routes, {rounds} rounds of {SECONDS} s; µs of CPU per request, medians");
    let proxies = [(&gateway, GATEWAY), (&nginx, NGINX), (&same, SAME)];
    for connections in [64, 512] {
        let mut costs = [const { Vec::new() }; 3];
        let mut ratios = [const { Vec::new() }; 2];
        // The first round warms up.
        for round in 0..=rounds {
            let [ours, bare, same] =
                proxies.map(|(process, port)| measure(process, port, connections));
            if 0 < round {
                costs[0].push(ours);
                costs[1].push(bare);
                costs[2].push(same);
                ratios[0].push(ours / bare);
                ratios[1].push(ours / same);
            }
        }
        let [ours, bare, same] = costs.map(median);
        let [to_bare, to_same] = ratios.map(median);
        println!("{connections:>4} connections: gateway {ours:.2}");
        println!("     bare nginx {bare:.2}: {to_bare:.3} ×");
        println!("     nginx with the same fields {same:.2}: {to_same:.3} ×");
    }
    drop((origin, nginx, same, gateway));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds of CPU per request.
fn measure(process: &Process, port: u16, connections: u32) -> f64 {
    let url = format!("http://127.0.0.1:{port}/app/7/item");
    let load = |seconds: u32| {
        let output = Command::new("taskset")
            .args(["-c", "1", "wrk", "-t1"])
            .arg(format!("-c{connections}"))
            .arg(format!("-d{seconds}s"))
            .arg(&url)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("Non-2xx"), "{text}");
        let line = text.lines().find(|line| line.contains("requests in")).expect(&text);
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap()
    };
    let before = process.cpu();
    let requests = load(SECONDS);
    (process.cpu() - before) * 1e6 / requests
}

struct Process {
    child: Child,
}

impl Process {
    fn nginx(directory: &Path, (core, port): (u32, u16), server: &str) -> Self {
        fs::create_dir_all(directory.join("logs")).unwrap();
        let configuration = format!(
            "worker_processes 1; daemon off; pid {0}/pid; error_log {0}/error crit;\n\
             events {{ worker_connections 8192; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {0};\n\
             proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0};\n\
             {server} }}\n",
            directory.display()
        );
        let path = directory.join("conf");
        let mut file = fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut file, configuration.as_bytes()).unwrap();
        let core = core.to_string();
        let child = Command::new("taskset").args(["-c", &core, "nginx", "-c"]).arg(path).spawn();
        let process = Self { child: child.unwrap() };
        wait_for(port);
        process
    }

    fn gateway(directory: &Path, routes: usize) -> (Self, OwnedFd) {
        fs::create_dir_all(directory).unwrap();
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(std::env::current_exe().unwrap())
            .arg("--serve")
            .arg(directory)
            .stdin(Stdio::from(theirs))
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], GATEWAY));
        let socket = reuseport(address);
        let packet = format!(r#"{{"listener":"web","address":"{address}"}}"#);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let sockets: [BorrowedFd<'_>; 1] = [socket.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&sockets)));
        let packet = [IoSlice::new(packet.as_bytes())];
        rustix::net::sendmsg(&ours, &packet, &mut control, SendFlags::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut line = loop {
                match Gateway::connect(&directory.join("control")).await {
                    Ok(line) => break line,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
            line.apply(&plan(routes)).await.unwrap();
        });
        (Self { child }, ours)
    }

    /// The process that serves: nginx has a master above it.
    fn serving(&self) -> u32 {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().next().map_or(id, |child| child.parse().unwrap())
    }

    /// Seconds of CPU that all its threads have used, to the nanosecond.
    fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.serving())).unwrap();
        let nanos = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("schedstat")).unwrap();
            stat.split(' ').next().unwrap().parse::<f64>().unwrap()
        };
        tasks.map(|task| nanos(task.unwrap())).sum::<f64>() / 1e9
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

fn serve(directory: &Path) {
    let options = Options {
        control: directory.join("control"),
        snapshot: directory.join("snapshot"),
        sockets: std::io::stdin().as_fd().try_clone_to_owned().unwrap(),
        threads: 1,
        limits: Limits::default(),
    };
    gateway::run(options).unwrap();
}

fn origin_server() -> String {
    let body = "x".repeat(1024);
    format!("server {{ listen {ORIGIN} backlog=4096; location / {{ return 200 \"{body}\"; }} }}")
}

/// What the gateway writes, as far as nginx can.
const FIELDS: &str = r#"proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
    proxy_set_header Forwarded 'for=$remote_addr;proto=http;host="$host"';
    proxy_set_header Via "1.1 nginx"; proxy_set_header X-Request-Id $request_id;
    proxy_set_header traceparent 00-$request_id-00f067aa0ba902b7-01;
    add_header X-Request-Id $request_id;"#;

fn nginx_server(port: u16, routes: usize, fields: &str) -> String {
    let locations: String = (0..routes)
        .map(|index| {
            format!(
                "location /app/{index}/ {{ proxy_pass http://origin; proxy_http_version 1.1; \
                 proxy_set_header Connection \"\"; proxy_set_header Host $host; {fields} }}\n"
            )
        })
        .collect();
    format!(
        "upstream origin {{ server 127.0.0.1:{ORIGIN}; keepalive 1024; \
         keepalive_requests 1000000000; }}\n\
         server {{ listen {port} backlog=4096; {locations} }}"
    )
}

fn plan(routes: usize) -> GatewayPlan {
    let route = |index| RoutePlan {
        name: format!("app/{index}"),
        listener: None,
        host: None,
        path: format!("/app/{index}/"),
        upstream: "origin".to_owned(),
        strip: false,
        timeout: Duration::from_secs(30),
        retries: 2,
    };
    GatewayPlan {
        generation: 1,
        listeners: vec![GatewayListener { name: "web".into(), purpose: GatewayPurpose::Public }],
        routes: (0..routes).map(route).collect(),
        upstreams: vec![UpstreamPlan {
            name: "origin".to_owned(),
            connect_timeout: Duration::from_secs(2),
            endpoints: vec![EndpointPlan {
                instance: "origin-1".to_owned(),
                address: ([127, 0, 0, 1], ORIGIN).into(),
            }],
        }],
    }
}

fn reuseport(address: SocketAddr) -> TcpListener {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    rustix::net::bind(&socket, &address).unwrap();
    rustix::net::listen(&socket, 4096).unwrap();
    TcpListener::from(socket)
}

fn wait_for(port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::yield_now();
    }
}
