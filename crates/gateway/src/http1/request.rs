//! The head of a request: what it asks for and how its body is framed.

use super::field::{self, Field, FieldStore};
use super::{Refusal, host, list_contains};

/// A longer target is refused with 414.
const LONGEST_TARGET: usize = 16 << 10;

/// Which minor version the other side speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// What the request is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target<'b> {
    /// A path and a query; the query includes its `?` or is empty.
    Path {
        /// Starts with `/`.
        path: &'b [u8],
        /// Starts with `?` or is empty.
        query: &'b [u8],
    },
    /// `*`, the server itself; only with OPTIONS.
    Asterisk,
}

/// How the body of a request ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is none, and nothing says so.
    None,
    /// After that many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// Whether the connection can be used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Persistence {
    /// It can.
    KeepAlive,
    /// It ends after this exchange.
    Close,
}

/// Whether the client waits for permission to send its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expectation {
    /// It does not.
    None,
    /// It sent `Expect: 100-continue`.
    Continue,
}

/// Whether the client wants to leave HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upgrade {
    /// It does not, or to something that is not offered.
    None,
    /// To WebSocket.
    WebSocket,
}

/// A request's head, as understood.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'h, 'b> {
    /// The method; any token but CONNECT and TRACE.
    pub method: &'b str,
    /// What it is about.
    pub target: Target<'b>,
    /// The client's version.
    pub version: Version,
    /// As sent, with its port; empty when an HTTP/1.0 client sent none.
    pub host: &'b [u8],
    /// How the body ends.
    pub framing: Framing,
    /// What the client wants for its connection.
    pub persistence: Persistence,
    /// Whether it waits for `100 Continue`.
    pub expectation: Expectation,
    /// Whether it wants a tunnel.
    pub upgrade: Upgrade,
    /// The bytes that the head took.
    pub length: usize,
    /// The members of Connection when there are any that name fields.
    pub(crate) dropped: &'b [u8],
    raw: &'h [httparse::Header<'b>],
    kinds: &'h [Field],
}

impl<'h, 'b> RequestHead<'h, 'b> {
    /// The fields with what they are to us, in their order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (Field, &'b str, &'b [u8])> + use<'h, 'b> {
        self.kinds.iter().zip(self.raw).map(|(kind, raw)| (*kind, raw.name, field::trim(raw.value)))
    }

    /// The value of a field that may stand once.
    pub(crate) fn single(&self, wanted: Field) -> Option<&'b [u8]> {
        let mut values = self.fields().filter(|(kind, ..)| *kind == wanted);
        let (_, _, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Whether Connection names this field.
    pub(crate) fn drops(&self, name: &str) -> bool {
        !self.dropped.is_empty() && list_contains(self.dropped, name.as_bytes())
    }
}

/// Reads a request's head; `None` while it is incomplete.
///
/// # Errors
///
/// When it must not be answered but with the refusal, after which the connection is closed.
pub fn parse_request<'h, 'b>(
    bytes: &'b [u8],
    store: &'h mut FieldStore<'b>,
) -> Result<Option<RequestHead<'h, 'b>>, Refusal> {
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut store.raw);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(refusal(error)),
    };
    let head = bytes.get(..length).expect("the parser stays inside its input");
    if !field::lines_end_properly(head) {
        return Err(Refusal::LineEnding);
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::FirstLine);
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let raw: &'h [httparse::Header<'b>] = request.headers;
    let kinds = store.kinds.get_mut(..raw.len()).expect("the parser respects the room it got");
    let mut summary = Summary::default();
    for (slot, raw) in kinds.iter_mut().zip(raw) {
        *slot = Field::classify(raw.name.as_bytes());
        summary.add(*slot, field::trim(raw.value))?;
    }
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(Refusal::Method);
    }
    let (target, host) = summary.target(method, target.as_bytes(), version)?;
    let framing = summary.framing(version)?;
    let upgrade = match version {
        Version::Http11 if method == "GET" && framing == Framing::None => summary.upgrade(),
        _ => Upgrade::None,
    };
    Ok(Some(RequestHead {
        method,
        target,
        version,
        host,
        framing,
        persistence: summary.persistence(version),
        expectation: summary.expectation(version)?,
        upgrade,
        length,
        dropped: summary.dropped,
        raw,
        kinds,
    }))
}

const fn refusal(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::HeaderName => Refusal::FieldName,
        httparse::Error::HeaderValue => Refusal::FieldValue,
        httparse::Error::NewLine => Refusal::LineEnding,
        httparse::Error::TooManyHeaders => Refusal::TooManyFields,
        httparse::Error::Version => Refusal::Version,
        httparse::Error::Token | httparse::Error::Status => Refusal::FirstLine,
    }
}

/// What the fields that concern us say together.
#[derive(Default)]
struct Summary<'b> {
    host: Option<&'b [u8]>,
    length: Option<u64>,
    transfer_encoding: Option<&'b [u8]>,
    connection: ConnectionOptions,
    dropped: &'b [u8],
    upgrade: Option<&'b [u8]>,
    expect: Option<&'b [u8]>,
}

/// The members of Connection that we know.
#[derive(Clone, Copy, Default)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl<'b> Summary<'b> {
    fn add(&mut self, kind: Field, value: &'b [u8]) -> Result<(), Refusal> {
        match kind {
            Field::Host => match self.host.replace(value) {
                None if host::is_valid(value) => Ok(()),
                _ => Err(Refusal::Host),
            },
            Field::ContentLength => {
                let length = field::parse_length(value).ok_or(Refusal::ContentLength)?;
                match self.length.replace(length) {
                    None => Ok(()),
                    Some(_) => Err(Refusal::ContentLength),
                }
            }
            Field::TransferEncoding => match self.transfer_encoding.replace(value) {
                None => Ok(()),
                Some(_) => Err(Refusal::TransferEncoding),
            },
            Field::Connection => self.add_connection(value),
            Field::Upgrade => {
                self.upgrade = Some(value);
                Ok(())
            }
            Field::Expect => match self.expect.replace(value) {
                None => Ok(()),
                Some(_) => Err(Refusal::Expectation),
            },
            _ => Ok(()),
        }
    }

    fn add_connection(&mut self, value: &'b [u8]) -> Result<(), Refusal> {
        for option in super::tokens(value) {
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.connection.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.connection.close = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.connection.upgrade = true;
            } else if super::is_token(option) {
                // Two lists would have to be joined; no honest client names fields in two.
                if !self.dropped.is_empty() && self.dropped.as_ptr() != value.as_ptr() {
                    return Err(Refusal::FieldValue);
                }
                self.dropped = value;
            } else {
                return Err(Refusal::FieldValue);
            }
        }
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, Refusal> {
        match (self.transfer_encoding, self.length) {
            (Some(_), Some(_)) => Err(Refusal::BothLengths),
            (Some(_), None) if version == Version::Http10 => Err(Refusal::TransferEncoding),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (Some(_), None) => Err(Refusal::TransferEncoding),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (None, None) => Ok(Framing::None),
        }
    }

    const fn persistence(&self, version: Version) -> Persistence {
        let keep = match version {
            Version::Http10 => self.connection.keep_alive && !self.connection.close,
            Version::Http11 => !self.connection.close,
        };
        if keep { Persistence::KeepAlive } else { Persistence::Close }
    }

    fn expectation(&self, version: Version) -> Result<Expectation, Refusal> {
        match self.expect {
            // RFC 9110, 10.1.1: ignored in HTTP/1.0.
            _ if version == Version::Http10 => Ok(Expectation::None),
            None => Ok(Expectation::None),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(Expectation::Continue),
            Some(_) => Err(Refusal::Expectation),
        }
    }

    fn upgrade(&self) -> Upgrade {
        match self.upgrade {
            Some(protocol)
                if self.connection.upgrade && protocol.eq_ignore_ascii_case(b"websocket") =>
            {
                Upgrade::WebSocket
            }
            _ => Upgrade::None,
        }
    }

    fn target(
        &self,
        method: &str,
        target: &'b [u8],
        version: Version,
    ) -> Result<(Target<'b>, &'b [u8]), Refusal> {
        if LONGEST_TARGET < target.len() {
            return Err(Refusal::TargetTooLong);
        }
        let host = match (self.host, version) {
            (Some(host), _) => host,
            (None, Version::Http10) => b"",
            (None, Version::Http11) => return Err(Refusal::Host),
        };
        match target {
            [b'/', ..] => Ok((split_target(target)?, host)),
            b"*" if method == "OPTIONS" => Ok((Target::Asterisk, host)),
            _ => {
                let (authority, rest) = split_absolute(target).ok_or(Refusal::Target)?;
                if self.host.is_some_and(|host| !host.eq_ignore_ascii_case(authority)) {
                    return Err(Refusal::HostMismatch);
                }
                if !host::is_valid(authority) {
                    return Err(Refusal::Host);
                }
                Ok((split_target(rest)?, authority))
            }
        }
    }
}

fn split_target(target: &[u8]) -> Result<Target<'_>, Refusal> {
    // A fragment is never sent, and bytes outside of ASCII are read differently by everybody.
    if target.iter().any(|byte| !byte.is_ascii_graphic() || *byte == b'#') {
        return Err(Refusal::Target);
    }
    let at = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(at);
    Ok(Target::Path { path, query })
}

/// `http://authority/path?query` into authority and the rest; an empty path becomes `/`.
fn split_absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = target.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return None;
    }
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    match rest {
        [] => Some((authority, b"/")),
        [b'/', ..] => Some((authority, rest)),
        _ => None,
    }
}
