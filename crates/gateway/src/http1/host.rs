//! Host: a name, an IPv4 address or an IPv6 address in brackets, and maybe a port.
//!
//! Narrower than RFC 3986, which also lets a name hold percent-encoding and punctuation: no name
//! that resolves has those, and each of them is read differently by somebody.

/// Whether it is a host as clients send it.
pub(super) fn is_valid(host: &[u8]) -> bool {
    let (name, port) = split_port(host);
    let port_is_valid = match port {
        None | Some(b"") => true,
        Some(digits) => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')) <= 65_535
        }
    };
    port_is_valid && name.len() <= 255 && is_name(name)
}

fn is_name(name: &[u8]) -> bool {
    match name {
        [b'[', address @ .., b']'] => {
            str::from_utf8(address).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
        }
        [] | [b'.', ..] => false,
        name => name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte)),
    }
}

fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    let after_bracket = host.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
    let Some(tail) = host.get(after_bracket..) else { return (host, None) };
    match tail.iter().position(|byte| *byte == b':') {
        None => (host, None),
        Some(at) => {
            let (name, port) = host.split_at(after_bracket + at);
            (name, port.get(1..))
        }
    }
}

/// The part that routes are matched by: no port, no trailing dot.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    let (name, _port) = split_port(host);
    name.strip_suffix(b".").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_some_parser_would_read_differently_are_refused() {
        for right in
            ["a", "a.example", "A.example.:8080", "127.0.0.1:1", "[::1]", "[::1]:80", "a_b", "a:"]
        {
            assert!(is_valid(right.as_bytes()), "{right}");
        }
        for wrong in [
            "", ":80", "a:b", "a:99999", "a:80:80", "a b", "a/b", "u@a", "a,b", "[::1", "::1",
            "[x]", "a%2e", ".", "a:-1", "a?b", "a#", "[::1]x",
        ] {
            assert!(!is_valid(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_route_sees_neither_port_nor_trailing_dot() {
        assert_eq!(without_port(b"a.example.:80"), b"a.example");
        assert_eq!(without_port(b"[::1]:80"), b"[::1]");
    }
}
