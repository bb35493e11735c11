//! Listening sockets, handed over by the supervisor one packet at a time.
//!
//! The supervisor opens them and keeps them, so a connection that arrives while the gateway is
//! restarted waits in the queue instead of being refused. A packet is JSON with one descriptor per
//! thread; that this contract is broken is a defect of ours, and ends the process.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg, sockopt,
};
use serde::Deserialize;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixDatagram};

/// More threads than this are not started; so many descriptors come in one packet at most.
pub(crate) const MOST_THREADS: usize = 64;
/// Packets are short: a name and an address.
const LONGEST_PACKET: usize = 4096;

/// What the supervisor says.
#[derive(Debug)]
pub(crate) enum Packet {
    /// Listen on these, one per thread.
    Listen {
        /// The name that the plan knows.
        listener: String,
        /// Where they are bound.
        address: SocketAddr,
        /// One per thread.
        sockets: Vec<TcpListener>,
    },
    /// Stop listening.
    Close(String),
    /// It is gone.
    End,
}

/// Why the supervisor could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The socket failed.
    #[error("cannot receive listening sockets")]
    Receive(#[from] io::Error),
    /// The packet is not what was agreed.
    #[error("a packet of the supervisor is malformed")]
    Malformed(#[from] serde_json::Error),
    /// There must be one socket per thread.
    #[error("listener `{listener}` came with {actual} sockets for {expected} threads")]
    Count {
        /// Which listener.
        listener: String,
        /// How many there are threads.
        expected: usize,
        /// How many came.
        actual: usize,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Listen { listener: String, address: SocketAddr },
    Close { close: String },
}

/// The supervisor's end of the line. To tokio it is a datagram socket: it is only asked when there
/// is something to receive, and receiving is done here.
#[derive(Debug)]
pub(crate) struct Packets {
    socket: UnixDatagram,
    threads: usize,
}

impl Packets {
    /// Reads packets from an inherited socket. Needs a runtime.
    pub(crate) fn new(socket: OwnedFd, threads: usize) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixDatagram::from_std(socket)?, threads })
    }

    /// The next packet.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: a packet is taken whole or not at all.
    pub(crate) async fn next(&self) -> Result<Packet, PacketError> {
        let received = self.socket.async_io(Interest::READABLE, || receive(&self.socket)).await;
        let (content, descriptors) = received?;
        self.understand(&content, descriptors)
    }

    fn understand(&self, content: &[u8], descriptors: Vec<OwnedFd>) -> Result<Packet, PacketError> {
        if content.is_empty() {
            return Ok(Packet::End);
        }
        match serde_json::from_slice(content)? {
            Message::Close { close } => Ok(Packet::Close(close)),
            Message::Listen { listener, address } => {
                if descriptors.len() != self.threads {
                    let (expected, actual) = (self.threads, descriptors.len());
                    return Err(PacketError::Count { listener, expected, actual });
                }
                let prepared = descriptors.into_iter().map(prepare).collect::<io::Result<_>>();
                Ok(Packet::Listen { listener, address, sockets: prepared? })
            }
        }
    }
}

/// Takes the simplest congestion control on loopback, where there is no congestion to control: one
/// that paces, as BBR does, sets a timer for every segment.
pub(crate) fn calm(stream: &TcpStream, peer: IpAddr) -> io::Result<()> {
    if peer.is_loopback() {
        sockopt::set_tcp_congestion(stream, "reno")?;
    }
    Ok(())
}

fn receive(socket: &UnixDatagram) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut content = vec![0; LONGEST_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_THREADS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut content)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    content.truncate(received.bytes);
    Ok((content, descriptors))
}

fn prepare(descriptor: OwnedFd) -> io::Result<TcpListener> {
    // Accepted sockets inherit it, which saves a system call for each of them.
    sockopt::set_tcp_nodelay(&descriptor, true)?;
    let listener = TcpListener::from(descriptor);
    listener.set_nonblocking(true)?;
    Ok(listener)
}
