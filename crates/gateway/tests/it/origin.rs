//! An upstream that does exactly what a test wants, one thread per connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A request as the upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.lines().skip(1).filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

/// What to do after an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Then {
    KeepAlive,
    Close,
}

type Behaviour = dyn Fn(&Request, &mut TcpStream) -> Then + Send + Sync;

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Receiver<Request>,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Origin {
    /// Answers every request as told.
    pub(crate) fn start(
        behaviour: impl Fn(&Request, &mut TcpStream) -> Then + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let open = Arc::new(AtomicUsize::new(0));
        let (counter, now_open) = (Arc::clone(&connections), Arc::clone(&open));
        let stop = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                now_open.fetch_add(1, Ordering::SeqCst);
                let (behaviour, sender) = (Arc::clone(&behaviour), sender.clone());
                let now_open = Arc::clone(&now_open);
                std::thread::spawn(move || {
                    serve(stream.unwrap(), &*behaviour, &sender);
                    now_open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, requests, connections, open, stopped }
    }

    /// Answers every request with 200 and this body.
    pub(crate) fn fixed(body: &str) -> Self {
        let response = ok(body);
        Self::start(move |_, stream| reply(stream, &response))
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections that were not closed yet.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The next request that arrives.
    pub(crate) fn request(&self) -> Request {
        self.requests.recv_timeout(crate::rig::PATIENCE).unwrap()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that the port is free again.
        drop(TcpStream::connect(self.address));
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn reply(stream: &mut TcpStream, response: impl AsRef<[u8]>) -> Then {
    match stream.write_all(response.as_ref()) {
        Ok(()) => Then::KeepAlive,
        Err(_) => Then::Close,
    }
}

fn serve(mut stream: TcpStream, behaviour: &Behaviour, sender: &Sender<Request>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer) {
        // The test may have seen enough.
        drop(sender.send(request.clone()));
        if behaviour(&request, &mut stream) == Then::Close {
            return;
        }
    }
}

fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        fill(stream, buffer)?;
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut request = Request { head, body: Vec::new() };
    if request.header("transfer-encoding").is_some() {
        loop {
            let at = loop {
                if let Some(at) = buffer.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                fill(stream, buffer)?;
            };
            let line: Vec<u8> = buffer.drain(..at + 2).collect();
            let size = usize::from_str_radix(str::from_utf8(&line[..at]).unwrap(), 16).unwrap();
            while buffer.len() < size + 2 {
                fill(stream, buffer)?;
            }
            request.body.extend(buffer.drain(..size));
            buffer.drain(..2);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        let length: usize = length.parse().unwrap();
        if request.header("expect").is_some() {
            drop(stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        while buffer.len() < length {
            fill(stream, buffer)?;
        }
        request.body = buffer.drain(..length).collect();
    }
    Some(request)
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 65536];
    match stream.read(&mut piece) {
        Ok(0) | Err(_) => None,
        Ok(count) => {
            buffer.extend_from_slice(&piece[..count]);
            Some(())
        }
    }
}
