//! A gateway to test: started as the supervisor starts it, stopped by closing the line to it.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use gateway::{Gateway, GatewayError, GatewayStatus, Limits, Options};
use plan::{EndpointPlan, GatewayListener, GatewayPlan, GatewayPurpose, RoutePlan, UpstreamPlan};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sockopt,
};
use tempfile::TempDir;

/// Everything in a test happens within this, or the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Rig {
    pub(crate) directory: TempDir,
    pub(crate) supervisor: Option<OwnedFd>,
    pub(crate) threads: usize,
    gateway: Option<JoinHandle<Result<(), GatewayError>>>,
    listeners: Vec<TcpListener>,
}

impl Rig {
    /// A gateway in a thread of this process.
    pub(crate) fn start(limits: Limits) -> Self {
        let (mut rig, sockets) = Self::without_gateway(2);
        let options = Options {
            control: rig.control(),
            snapshot: rig.snapshot(),
            sockets,
            threads: rig.threads,
            limits,
        };
        rig.gateway = Some(std::thread::spawn(move || gateway::run(options)));
        rig
    }

    /// What surrounds a gateway, and its end of the line.
    pub(crate) fn without_gateway(threads: usize) -> (Self, OwnedFd) {
        let (ours, theirs) = line();
        let rig = Self {
            directory: tempfile::tempdir().unwrap(),
            supervisor: Some(ours),
            threads,
            gateway: None,
            listeners: Vec::new(),
        };
        (rig, theirs)
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.directory.path().join("gateway.json")
    }

    /// Opens sockets as the supervisor does and hands them over.
    pub(crate) fn listen(&mut self, name: &str) -> SocketAddr {
        let first = reuseport(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = first.local_addr().unwrap();
        let mut sockets = vec![first];
        sockets.extend((1..self.threads).map(|_| reuseport(address)));
        self.hand_over(name, address, &sockets);
        self.listeners.extend(sockets);
        address
    }

    fn hand_over(&self, name: &str, address: SocketAddr, sockets: &[TcpListener]) {
        let packet = format!(r#"{{"listener":"{name}","address":"{address}"}}"#);
        let descriptors: Vec<BorrowedFd<'_>> =
            sockets.iter().map(|socket| socket.as_fd()).collect();
        self.send_packet(packet.as_bytes(), &descriptors);
    }

    /// Hands the same sockets to the gateway that now is at the other end.
    pub(crate) fn hand_over_again(&self, name: &str) {
        let address = self.listeners[0].local_addr().unwrap();
        self.hand_over(name, address, &self.listeners);
    }

    pub(crate) fn send_packet(&self, content: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        let supervisor = self.supervisor.as_ref().unwrap();
        let content = [IoSlice::new(content)];
        rustix::net::sendmsg(supervisor, &content, &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    /// Replaces the line, for a gateway that is started after another one.
    pub(crate) fn new_line(&mut self) -> OwnedFd {
        let (ours, theirs) = line();
        self.supervisor = Some(ours);
        theirs
    }

    /// Closes our side of the sockets that were handed over.
    pub(crate) fn close_listeners(&mut self) {
        self.listeners.clear();
    }

    /// The line that control holds.
    pub(crate) async fn line(&self) -> Gateway {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match Gateway::connect(&self.control()).await {
                Ok(line) => return line,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn apply(&self, plan: &GatewayPlan) {
        block_on(async { self.line().await.apply(plan).await }).unwrap();
    }

    pub(crate) fn status(&self) -> GatewayStatus {
        block_on(async { self.line().await.status().await }).unwrap()
    }

    /// Polls the status until it is as wanted.
    pub(crate) fn eventually(&self, wanted: impl Fn(&GatewayStatus) -> bool) -> GatewayStatus {
        block_on(async {
            let mut line = self.line().await;
            let deadline = tokio::time::Instant::now() + PATIENCE;
            loop {
                let status = line.status().await.unwrap();
                if wanted(&status) {
                    return status;
                }
                assert!(tokio::time::Instant::now() < deadline, "never came to be: {status:#?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.supervisor = None;
        if let Some(gateway) = self.gateway.take() {
            let ended = gateway.join().unwrap();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn line() -> (OwnedFd, OwnedFd) {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .unwrap()
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

/// A plan with one public listener `web`; routes are `(host or "", path, upstream)`.
pub(crate) fn plan(
    routes: &[(&str, &str, &str)],
    upstreams: &[(&str, &[SocketAddr])],
) -> GatewayPlan {
    GatewayPlan {
        generation: 1,
        listeners: vec![GatewayListener { name: "web".into(), purpose: GatewayPurpose::Public }],
        routes: routes.iter().map(|(host, path, upstream)| route(host, path, upstream)).collect(),
        upstreams: upstreams.iter().map(|(name, addresses)| upstream(name, addresses)).collect(),
    }
}

pub(crate) fn route(host: &str, path: &str, upstream: &str) -> RoutePlan {
    RoutePlan {
        name: format!("{host}{path}"),
        listener: None,
        host: (!host.is_empty()).then(|| host.to_owned()),
        path: path.to_owned(),
        upstream: upstream.to_owned(),
        strip: false,
        timeout: PATIENCE,
        retries: 2,
    }
}

pub(crate) fn upstream(name: &str, addresses: &[SocketAddr]) -> UpstreamPlan {
    UpstreamPlan {
        name: name.to_owned(),
        connect_timeout: Duration::from_secs(2),
        endpoints: endpoints(name, addresses),
    }
}

pub(crate) fn endpoints(name: &str, addresses: &[SocketAddr]) -> Vec<EndpointPlan> {
    let endpoint = |(index, address): (usize, &SocketAddr)| EndpointPlan {
        instance: format!("{name}-{}", index + 1),
        address: *address,
    };
    addresses.iter().enumerate().map(endpoint).collect()
}

/// A client that says exactly what it is told to.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response as a client understands it.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // A refusal may come before everything was sent; reading tells.
        drop(self.stream.write_all(bytes.as_ref()));
        self
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).response()
    }

    /// Reads more; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut piece = [0; 65536];
        let count = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count != 0)
    }

    fn must_more(&mut self) {
        assert!(self.more().unwrap(), "ended early: {}", self.buffer.escape_ascii());
    }

    pub(crate) fn head(&mut self) -> (u16, String) {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.must_more();
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            self.must_more();
        }
        self.buffer.drain(..count).collect()
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.buffer.drain(..at + 2).collect();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            self.must_more();
        }
    }

    /// A chunk of a chunked body; empty when it was the last.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let size = usize::from_str_radix(&self.line(), 16).unwrap();
        let chunk = self.take(size);
        assert_eq!(self.line(), "");
        chunk
    }

    /// Reads that many bytes and forgets them.
    pub(crate) fn discard(&mut self, mut count: usize) {
        while self.buffer.len() < count {
            count -= self.buffer.len();
            self.buffer.clear();
            self.must_more();
        }
        self.buffer.drain(..count);
    }

    /// A body, or that it ended before it was complete.
    pub(crate) fn body(&mut self, framing: &str, length: Option<usize>) -> io::Result<Vec<u8>> {
        let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
        match framing {
            "close" => {
                while self.more()? {}
                Ok(std::mem::take(&mut self.buffer))
            }
            "length" => {
                let length = length.unwrap();
                while self.buffer.len() < length {
                    self.more()?.then_some(()).ok_or_else(broken)?;
                }
                Ok(self.buffer.drain(..length).collect())
            }
            _ => {
                // A short body has its last chunk nowhere else.
                while !self.buffer.ends_with(b"0\r\n\r\n") {
                    self.more()?.then_some(()).ok_or_else(broken)?;
                }
                let mut body = Vec::new();
                loop {
                    let chunk = self.chunk();
                    if chunk.is_empty() {
                        return Ok(body);
                    }
                    body.extend(chunk);
                }
            }
        }
    }

    pub(crate) fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    pub(crate) fn response_to(&mut self, method: &str) -> Response {
        let (status, head) = self.head();
        let mut response = Response { status, head, body: Vec::new() };
        if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
            return response;
        }
        if response.header("transfer-encoding").is_some() {
            loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break;
                }
                response.body.extend(chunk);
            }
        } else if let Some(length) = response.header("content-length") {
            response.body = self.take(length.parse().unwrap());
        } else {
            while self.more().unwrap() {}
            response.body = std::mem::take(&mut self.buffer);
        }
        response
    }

    /// Everything until the connection ends, and how it ended.
    pub(crate) fn rest(mut self) -> (Vec<u8>, io::Result<()>) {
        let ended = loop {
            match self.more() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        (self.buffer, ended)
    }

    /// Asserts that the connection ends without another byte.
    pub(crate) fn expect_end(self) {
        let (rest, _ended) = self.rest();
        assert_eq!(rest.escape_ascii().to_string(), "");
    }
}
