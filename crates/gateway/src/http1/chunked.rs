//! The chunked coding, decoded in place.
//!
//! Extensions and trailers are checked and dropped: nothing after us may disagree about where they
//! end, because nothing after us sees them. Decoded bytes move to the front of the slice they came
//! in, so that a body passes without a second buffer.

use super::Refusal;

/// A chunk's size has at most this many digits; more would overflow 64 bits.
const MOST_DIGITS: u8 = 15;
/// All extensions of one body together.
const LONGEST_EXTENSIONS: u16 = 4096;
/// All trailers of one body together.
const LONGEST_TRAILERS: u16 = 8192;

/// Where in the coding the next byte is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    SizeStart,
    Size,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    Done,
}

/// Decodes one body, over as many slices as it comes in.
#[derive(Clone, Debug, Default)]
pub struct ChunkDecoder {
    state: State,
    digits: u8,
    extensions: u16,
    trailers: u16,
    remaining: u64,
}

/// What became of one slice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChunkStep {
    /// How many bytes of it belong to the body; all of them unless the body ended.
    pub consumed: usize,
    /// How many decoded bytes now stand at its front.
    pub produced: usize,
    /// Whether the body is complete.
    pub done: bool,
}

impl ChunkDecoder {
    /// Decodes the next slice in place.
    ///
    /// # Errors
    ///
    /// When the coding is violated; the decoder must not be used again.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<ChunkStep, Refusal> {
        let mut consumed = 0;
        let mut produced = 0;
        while self.state != State::Done {
            if self.state == State::Data {
                let available = bytes.len() - consumed;
                let length =
                    usize::try_from(self.remaining).map_or(available, |n| n.min(available));
                if length == 0 {
                    break;
                }
                bytes.copy_within(consumed..consumed + length, produced);
                consumed += length;
                produced += length;
                self.remaining -= length as u64;
                if self.remaining == 0 {
                    self.state = State::DataReturn;
                }
                continue;
            }
            let Some(&byte) = bytes.get(consumed) else { break };
            consumed += 1;
            self.state = self.step(byte)?;
        }
        Ok(ChunkStep { consumed, produced, done: self.state == State::Done })
    }

    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::SizeStart, byte) => {
                self.remaining = hex(byte).ok_or(Refusal::ChunkSize)?;
                self.digits = 1;
                Ok(State::Size)
            }
            (State::Size | State::Extension, b'\r') => Ok(State::SizeLineFeed),
            (State::Size, b';') => Ok(State::Extension),
            (State::Size, byte) => {
                let digit = hex(byte).ok_or(Refusal::ChunkSize)?;
                self.digits += 1;
                if MOST_DIGITS < self.digits {
                    return Err(Refusal::ChunkSize);
                }
                self.remaining = self.remaining * 16 + digit;
                Ok(State::Size)
            }
            (State::Extension, byte) => {
                self.extensions += 1;
                let allowed = matches!(byte, b'\t' | b' '..=b'~');
                if !allowed || LONGEST_EXTENSIONS < self.extensions {
                    return Err(Refusal::ChunkExtension);
                }
                Ok(State::Extension)
            }
            (State::SizeLineFeed, b'\n') if self.remaining == 0 => Ok(State::TrailerStart),
            (State::SizeLineFeed, b'\n') => Ok(State::Data),
            (State::SizeLineFeed, _) => Err(Refusal::ChunkSize),
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::SizeStart),
            (State::DataReturn | State::DataLineFeed, _) => Err(Refusal::ChunkEnd),
            (State::Data | State::Done, _) => Ok(self.state),
            (_, byte) => self.step_trailer(byte),
        }
    }

    fn step_trailer(&mut self, byte: u8) -> Result<State, Refusal> {
        self.trailers += 1;
        if LONGEST_TRAILERS < self.trailers {
            return Err(Refusal::Trailer);
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::EndLineFeed),
            (State::EndLineFeed, b'\n') => Ok(State::Done),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerStart | State::TrailerName, byte) if super::is_token(&[byte]) => {
                Ok(State::TrailerName)
            }
            (State::TrailerValue, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
            _ => Err(Refusal::Trailer),
        }
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes whole and byte by byte; both must agree.
    fn check(body: &[u8], expected: Result<(&[u8], &[u8]), Refusal>) {
        let whole = run(body, body.len().max(1));
        let bytewise = run(body, 1);
        assert_eq!(whole, bytewise, "{}", body.escape_ascii());
        let actual = whole.as_ref().map(|(decoded, rest)| (&decoded[..], &rest[..]));
        assert_eq!(actual, expected.as_ref().copied(), "{}", body.escape_ascii());
    }

    /// The decoded bytes and what follows the body; an unfinished body is a [`Refusal::Status`].
    fn run(body: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let mut decoder = ChunkDecoder::default();
        let mut decoded = Vec::new();
        let mut at = 0;
        while at < body.len() {
            let mut bytes = body[at..(at + piece).min(body.len())].to_vec();
            let step = decoder.decode(&mut bytes)?;
            decoded.extend_from_slice(&bytes[..step.produced]);
            at += step.consumed;
            if step.done {
                return Ok((decoded, body[at..].to_vec()));
            }
        }
        Err(Refusal::Status)
    }

    #[test]
    fn a_body_ends_where_its_last_chunk_says() {
        check(b"0\r\n\r\n", Ok((b"", b"")));
        check(b"5\r\nhello\r\n0\r\n\r\nGET", Ok((b"hello", b"GET")));
        check(
            b"1\r\na\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nA: b\r\n\r\n",
            Ok((b"a0123456789", b"")),
        );
        check(b"5\r\nhel", Err(Refusal::Status));
    }

    #[test]
    fn what_another_parser_might_read_differently_is_refused() {
        use Refusal::{ChunkEnd, ChunkExtension, ChunkSize, Trailer};
        for (body, refusal) in [
            (&b"\r\n"[..], ChunkSize),
            (b"x\r\n", ChunkSize),
            (b"+5\r\nhello\r\n", ChunkSize),
            (b"0x5\r\nhello\r\n", ChunkSize),
            (b"5 \r\nhello\r\n", ChunkSize),
            (b"5\nhello\r\n", ChunkSize),
            (b"5\rxhello", ChunkSize),
            (b"1000000000000000\r\n", ChunkSize),
            (b"5;a\nb\r\nhello", ChunkExtension),
            (b"5;a\x00\r\nhello", ChunkExtension),
            (b"5\r\nhello0\r\n", ChunkEnd),
            (b"5\r\nhello\n0\r\n\r\n", ChunkEnd),
            (b"0\r\n x: y\r\n\r\n", Trailer),
            (b"0\r\nx : y\r\n\r\n", Trailer),
            (b"0\r\nx: y\n\r\n", Trailer),
            (b"0\r\n\n", Trailer),
            (b"0\r\nx: \x00\r\n\r\n", Trailer),
            (b"0\r\nGET / HTTP/1.1\r\n", Trailer),
        ] {
            check(body, Err(refusal));
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let long = |count| vec![b'a'; count];
        let extension = [b"1;", &long(5000)[..], b"\r\na\r\n0\r\n\r\n"].concat();
        check(&extension, Err(Refusal::ChunkExtension));
        let trailer = [b"0\r\na: ", &long(9000)[..], b"\r\n\r\n"].concat();
        check(&trailer, Err(Refusal::Trailer));
    }
}
