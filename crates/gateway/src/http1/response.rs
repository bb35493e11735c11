//! The head of a response. As strict as the request's: what an upstream frames ambiguously would
//! poison the client's connection and the next request on ours.

use super::field::{self, Field, FieldStore};
use super::{Persistence, Refusal, Version};

/// How the body of a response ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseFraming {
    /// There is none, whatever the fields say.
    None,
    /// After that many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// A response's head, as understood.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'h, 'b> {
    /// 100 to 599.
    pub status: u16,
    /// May be empty.
    pub reason: &'b str,
    /// How the body ends.
    pub framing: ResponseFraming,
    /// Whether the upstream's connection can be used again.
    pub persistence: Persistence,
    /// The bytes that the head took.
    pub length: usize,
    /// The upgrade it grants, with a 101.
    pub(crate) upgrade: Option<&'b [u8]>,
    /// The members of Connection.
    dropped: &'b [u8],
    raw: &'h [httparse::Header<'b>],
    kinds: &'h [Field],
}

impl<'h, 'b> ResponseHead<'h, 'b> {
    /// The fields with what they are to us, in their order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (Field, &'b str, &'b [u8])> + use<'h, 'b> {
        self.kinds.iter().zip(self.raw).map(|(kind, raw)| (*kind, raw.name, field::trim(raw.value)))
    }

    /// Whether Connection names this field.
    pub(crate) fn drops(&self, name: &str) -> bool {
        !self.dropped.is_empty() && super::list_contains(self.dropped, name.as_bytes())
    }
}

/// Reads the head of a response to a request with `method`; `None` while it is incomplete.
///
/// # Errors
///
/// When it must not be passed on; the upstream's connection is then dropped.
pub fn parse_response<'h, 'b>(
    bytes: &'b [u8],
    method: &str,
    store: &'h mut FieldStore<'b>,
) -> Result<Option<ResponseHead<'h, 'b>>, Refusal> {
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut store.raw,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::HeaderName) => return Err(Refusal::FieldName),
        Err(httparse::Error::HeaderValue) => return Err(Refusal::FieldValue),
        Err(httparse::Error::NewLine) => return Err(Refusal::LineEnding),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::FirstLine),
    };
    let head = bytes.get(..length).expect("the parser stays inside its input");
    if !head.starts_with(b"HTTP/1.") {
        return Err(Refusal::FirstLine);
    }
    if !field::lines_end_properly(head) {
        return Err(Refusal::LineEnding);
    }
    let (Some(status), Some(minor)) = (response.code, response.version) else {
        return Err(Refusal::FirstLine);
    };
    if !(100..600).contains(&status) {
        return Err(Refusal::Status);
    }
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let raw: &'h [httparse::Header<'b>] = response.headers;
    let kinds = store.kinds.get_mut(..raw.len()).expect("the parser respects the room it got");
    let mut summary = Summary::default();
    for (slot, raw) in kinds.iter_mut().zip(raw) {
        *slot = Field::classify(raw.name.as_bytes());
        summary.add(*slot, field::trim(raw.value))?;
    }
    let framing = summary.framing(version)?;
    let bodiless = method == "HEAD" || matches!(status, 100..200 | 204 | 304);
    Ok(Some(ResponseHead {
        status,
        reason: response.reason.unwrap_or_default(),
        framing: if bodiless { ResponseFraming::None } else { framing },
        persistence: summary.persistence(version),
        length,
        upgrade: summary.upgrade,
        dropped: summary.connection,
        raw,
        kinds,
    }))
}

#[derive(Default)]
struct Summary<'b> {
    length: Option<u64>,
    transfer_encoding: Option<&'b [u8]>,
    connection: &'b [u8],
    upgrade: Option<&'b [u8]>,
}

impl<'b> Summary<'b> {
    fn add(&mut self, kind: Field, value: &'b [u8]) -> Result<(), Refusal> {
        match kind {
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
            Field::Connection => {
                if !self.connection.is_empty() {
                    return Err(Refusal::FieldValue);
                }
                self.connection = value;
                Ok(())
            }
            Field::Upgrade => {
                self.upgrade = Some(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn framing(&self, version: Version) -> Result<ResponseFraming, Refusal> {
        match (self.transfer_encoding, self.length) {
            (Some(_), Some(_)) => Err(Refusal::BothLengths),
            (Some(coding), None)
                if version == Version::Http11 && coding.eq_ignore_ascii_case(b"chunked") =>
            {
                Ok(ResponseFraming::Chunked)
            }
            (Some(_), None) => Err(Refusal::TransferEncoding),
            (None, Some(length)) => Ok(ResponseFraming::Length(length)),
            (None, None) => Ok(ResponseFraming::UntilClose),
        }
    }

    fn persistence(&self, version: Version) -> Persistence {
        if self.connection.eq_ignore_ascii_case(b"keep-alive") {
            return Persistence::KeepAlive;
        }
        let option = |name: &[u8]| super::list_contains(self.connection, name);
        let keep = !option(b"close") && (version == Version::Http11 || option(b"keep-alive"));
        if keep { Persistence::KeepAlive } else { Persistence::Close }
    }
}
