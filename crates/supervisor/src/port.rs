//! Who listens where.
//!
//! Whether a port is free is found out by binding it without `SO_REUSEPORT`: with that option two
//! supervisors would share it silently, each getting half of the connections.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

/// The process that listens on a port.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PortHolder {
    /// Its id.
    pub pid: u32,
    /// The name of its program.
    pub command: String,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.command)
    }
}

/// Whether somebody could listen at the address now.
#[must_use]
pub fn port_is_free(address: SocketAddr) -> bool {
    exclusive(address).and_then(|socket| socket.listen(1)).is_ok()
}

/// Binds an address that nobody else may have.
pub(crate) fn exclusive(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a predecessor that linger in TIME_WAIT are no reason to refuse.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Names the process that listens at the address, if it can be seen.
///
/// Another user's process can only be named by root.
#[must_use]
pub fn port_holder(address: SocketAddr) -> Option<PortHolder> {
    let sockets: HashSet<String> =
        listening_inodes(address).into_iter().map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return None;
    }
    let own = std::process::id();
    let mut found = crate::process_table::processes();
    // Children may hold the socket too; the eldest is the one to stop, and the only one that is
    // sure not to be a child that is just becoming another program.
    found.sort_by_key(|process| process.start);
    found.retain(|process| process.pid != own);
    let holder = found.into_iter().find(|process| holds(process.pid, &sockets))?;
    Some(PortHolder { pid: holder.pid, command: command(holder.pid).unwrap_or(holder.name) })
}

/// The program's own name: the kernel's is cut to 15 bytes and can be a thread's.
fn command(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let program = line.split(|byte| *byte == 0).next().filter(|program| !program.is_empty())?;
    let program = String::from_utf8_lossy(program);
    Some(program.rsplit('/').next().unwrap_or(&program).to_owned())
}

fn holds(pid: u32, sockets: &HashSet<String>) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
}

fn listening_inodes(address: SocketAddr) -> Vec<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            table.lines().skip(1).filter_map(|line| inode(line, address)).collect::<Vec<_>>()
        })
        .collect()
}

/// `sl local remote state ... inode`; state 0A is listening.
fn inode(line: &str, wanted: SocketAddr) -> Option<u64> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != "0A" {
        return None;
    }
    let local = parse_address(fields.get(1)?)?;
    let overlaps = local.port() == wanted.port()
        && (local.ip() == wanted.ip()
            || local.ip().is_unspecified()
            || wanted.ip().is_unspecified());
    if overlaps { fields.get(9)?.parse().ok() } else { None }
}

/// Words of the address in hexadecimal, each in the machine's byte order, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words: Vec<[u8; 4]> = address
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok())
        .map(|word| word.map(u32::to_ne_bytes))
        .collect::<Option<_>>()?;
    let ip = match words.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        [_, _, _, _] => {
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            let ip = Ipv6Addr::from(octets);
            ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_addresses_are_read() {
        if cfg!(target_endian = "little") {
            assert_eq!(parse_address("0100007F:1F40"), "127.0.0.1:8000".parse().ok());
            assert_eq!(
                parse_address("00000000000000000000000001000000:1F40"),
                "[::1]:8000".parse().ok()
            );
        }
        assert_eq!(parse_address("0100007F"), None);
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_free() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(!port_is_free(address));
        drop(listener);
        assert!(port_is_free(address));
    }
}
