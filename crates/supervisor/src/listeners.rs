//! The gateway's listening sockets, which outlive the gateway: a connection that arrives while no
//! gateway runs waits in the socket's queue for the next one.
//!
//! Each listener is a fixed set of sockets, one per thread of the gateway, that share a port by
//! `SO_REUSEPORT`. The first is bound *without* that option and given it afterwards: otherwise a
//! second supervisor could join the port unnoticed and take half of the connections.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use plan::ListenerPlan;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::protocol::Refusal;
use crate::status::ListenerStatus;

/// Connections that wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// The kernel passes no more descriptors in one message.
const MOST_SOCKETS: usize = 253;

/// What the gateway reads from descriptor 3, one packet each; the first comes with the listener's
/// sockets.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum GatewayMessage {
    /// Sockets to accept from, one per thread.
    Open {
        /// The listener's name.
        listener: String,
        /// Where it listens.
        address: SocketAddr,
    },
    /// A listener that is no longer wanted.
    Close {
        /// Its name.
        close: String,
    },
}

/// The sockets, and the way to whoever accepts from them.
#[derive(Debug)]
pub(crate) struct Listeners {
    per_listener: usize,
    open: BTreeMap<String, Listener>,
    gateway: Option<OwnedFd>,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    sockets: Vec<Socket>,
}

impl Listeners {
    /// No listeners yet.
    pub(crate) fn new(threads: usize) -> Self {
        let per_listener = threads.clamp(1, MOST_SOCKETS);
        Self { per_listener, open: BTreeMap::new(), gateway: None }
    }

    /// Opens what is new and closes what is no longer wanted; all of it or nothing.
    pub(crate) fn apply(&mut self, wanted: &[ListenerPlan]) -> Result<(), Refusal> {
        let keeps = |name: &String, listener: &Listener| {
            wanted.iter().any(|plan| plan.name == *name && plan.address == listener.address)
        };
        let mut opened = Vec::new();
        for plan in wanted {
            if self.open.get(&plan.name).is_some_and(|listener| listener.address == plan.address) {
                continue;
            }
            // An address that moves from one name to another is still ours.
            let ours = self.open.iter().find(|(name, listener)| {
                listener.address == plan.address && !keeps(name, listener)
            });
            let sockets = match ours {
                Some((_, listener)) => {
                    listener.sockets.iter().map(Socket::try_clone).collect::<io::Result<_>>()
                }
                None => open(plan.address, self.per_listener),
            };
            let sockets = sockets.map_err(|error| refuse(plan, &error))?;
            opened.push((plan.name.clone(), Listener { address: plan.address, sockets }));
        }
        let closed: Vec<String> = self
            .open
            .iter()
            .filter(|(name, listener)| !keeps(name, listener))
            .map(|(name, _)| name.clone())
            .collect();
        for name in closed {
            self.open.remove(&name);
            self.tell(&GatewayMessage::Close { close: name }, &[]);
        }
        for (name, listener) in opened {
            self.pass(&name, &listener);
            self.open.insert(name, listener);
        }
        Ok(())
    }

    /// Makes a channel for a new gateway and puts all sockets into it; returns the gateway's end.
    pub(crate) fn channel(&mut self) -> io::Result<OwnedFd> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        self.gateway = Some(ours);
        for (name, listener) in &self.open {
            self.pass(name, listener);
        }
        Ok(theirs)
    }

    /// Gives up the channel to a gateway that ended.
    pub(crate) fn disconnect(&mut self) {
        self.gateway = None;
    }

    /// Closes all sockets.
    pub(crate) fn close(&mut self) {
        self.open.clear();
        self.gateway = None;
    }

    pub(crate) fn status(&self) -> Vec<ListenerStatus> {
        let listeners = self.open.iter();
        listeners
            .map(|(name, listener)| ListenerStatus {
                name: name.clone(),
                address: listener.address,
            })
            .collect()
    }

    fn pass(&self, name: &str, listener: &Listener) {
        let message = GatewayMessage::Open { listener: name.to_owned(), address: listener.address };
        let sockets: Vec<BorrowedFd<'_>> =
            listener.sockets.iter().map(|socket| socket.as_fd()).collect();
        self.tell(&message, &sockets);
    }

    fn tell(&self, message: &GatewayMessage, sockets: &[BorrowedFd<'_>]) {
        let Some(gateway) = &self.gateway else { return };
        let Ok(text) = serde_json::to_vec(message) else { return };
        let mut space = vec![
            MaybeUninit::uninit();
            rustix::net::SendAncillaryMessage::ScmRights(sockets).size()
        ];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(sockets));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // A gateway that has just died gets them all again when it is started.
        rustix::net::sendmsg(gateway, &[IoSlice::new(&text)], &mut control, flags).ok();
    }
}

fn open(address: SocketAddr, count: usize) -> io::Result<Vec<Socket>> {
    let first = crate::port::exclusive(address)?;
    first.set_reuse_port(true)?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        let kind = Type::STREAM;
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        sockets.push(socket);
    }
    for socket in &sockets {
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG)?;
    }
    Ok(sockets)
}

fn refuse(plan: &ListenerPlan, error: &io::Error) -> Refusal {
    let (listener, address) = (plan.name.clone(), plan.address);
    if error.kind() == io::ErrorKind::AddrInUse {
        let holder = crate::port::port_holder(address);
        return Refusal::PortOccupied { listener, address, holder };
    }
    Refusal::CannotListen { listener, address, reason: error.to_string() }
}
