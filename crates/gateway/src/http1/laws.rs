//! What must hold of any bytes whatever. Fuzz targets call these with bytes of their own, tests
//! with the corpus and with random ones; a law that does not hold panics.

use super::{
    ChunkDecoder, FieldStore, Framing, NormalPath, Persistence, Refusal, RequestHead,
    ResponseFraming, Target, Version, normalise, parse_request, parse_response,
};
use crate::digits::push_decimal;
use crate::forward::{self, RequestFacts, Trust};
use crate::trace::{Ids, RequestId};

/// A head is read the same whatever follows it, and what is forwarded reads as what was read.
///
/// # Panics
///
/// When it does not hold.
pub fn request(bytes: &[u8]) {
    let mut store = FieldStore::new();
    let Ok(Some(head)) = parse_request(bytes, &mut store) else { return };
    let own = bytes.get(..head.length).expect("a head is inside its bytes");
    let mut again = FieldStore::new();
    let alone = parse_request(own, &mut again).expect("a head needs nothing behind it");
    let alone = alone.expect("a head is complete by itself");
    assert_eq!((alone.framing, alone.length), (head.framing, head.length));
    let mut shorter = FieldStore::new();
    let cut = own.get(..own.len() - 1).unwrap_or_default();
    assert!(!matches!(parse_request(cut, &mut shorter), Ok(Some(_))), "a head ends too early");
    let Target::Path { path, query } = head.target else { return };
    let path = match normalise(path) {
        Ok(NormalPath::Same) => path.to_vec(),
        Ok(NormalPath::Changed { path, .. }) => path,
        Err(_) => return,
    };
    for trust in [Trust::Inside, Trust::Outside] {
        forwarded(&head, (&path, query), trust);
    }
}

fn forwarded(head: &RequestHead<'_, '_>, (path, query): (&[u8], &[u8]), trust: Trust) {
    let Ok(ids) = Ids::new() else { return };
    let trace_id = ids.trace_id();
    let facts = RequestFacts {
        path,
        query,
        peer: b"::1",
        trust,
        request_id: &RequestId::from(trace_id),
        trace_id: &trace_id,
    };
    let mut out = Vec::new();
    forward::write_request(&mut out, head, &facts, &ids);
    let mut store = FieldStore::new();
    // An HTTP/1.0 client may leave Host out; forwarded it is empty, which we would refuse.
    let sent = match parse_request(&out, &mut store) {
        Err(Refusal::Host) if head.host.is_empty() => return,
        // Our own fields may take it over the limit.
        Err(Refusal::TooManyFields) => return,
        sent => sent.expect("what is forwarded is valid").expect("what is forwarded is complete"),
    };
    assert_eq!(sent.length, out.len());
    assert_eq!(sent.method, head.method);
    assert_eq!(sent.target, Target::Path { path, query });
    assert_eq!(sent.host, head.host);
    assert_eq!(sent.framing, head.framing);
    assert_eq!(sent.upgrade, head.upgrade);
    assert_eq!(sent.version, Version::Http11);
    assert_eq!(sent.persistence, Persistence::KeepAlive);
    assert!(sent.framing != Framing::None || sent.expectation == super::Expectation::None);
    assert!(matches!(normalise(path), Ok(again) if is_same(&again, path)), "not one spelling");
}

fn is_same(normal: &NormalPath, path: &[u8]) -> bool {
    match normal {
        NormalPath::Same => true,
        NormalPath::Changed { path: again, .. } => again == path,
    }
}

/// The head of a response is read the same whatever follows it, and a body that is not sent has no
/// length.
///
/// # Panics
///
/// When it does not hold.
pub fn response(bytes: &[u8]) {
    for method in ["GET", "HEAD"] {
        let mut store = FieldStore::new();
        let Ok(Some(head)) = parse_response(bytes, method, &mut store) else { return };
        let own = bytes.get(..head.length).expect("a head is inside its bytes");
        let mut again = FieldStore::new();
        let alone = parse_response(own, method, &mut again).expect("it needs nothing behind it");
        let alone = alone.expect("a head is complete by itself");
        assert_eq!((alone.framing, alone.status), (head.framing, head.status));
        if method == "HEAD" || head.status < 200 {
            assert_eq!(head.framing, ResponseFraming::None);
        }
    }
}

/// A chunked body decodes the same however it is cut, and what is sent on decodes to the same.
///
/// # Panics
///
/// When it does not hold.
pub fn chunked(bytes: &[u8]) {
    let (piece, body) = bytes.split_first().map_or((1, bytes), |(piece, body)| (*piece, body));
    let whole = decode(body, body.len().max(1));
    let cut = decode(body, usize::from(piece).max(1));
    assert_eq!(whole, cut, "cut into pieces it reads differently");
    let Ok(Some((decoded, _))) = whole else { return };
    let mut sent = Vec::new();
    for piece in decoded.chunks(7) {
        push_decimal(&mut sent, piece.len() as u64);
        sent.extend_from_slice(b"\r\n");
        sent.extend_from_slice(piece);
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b"0\r\n\r\n");
    let length = sent.len();
    assert_eq!(decode(&sent, length), Ok(Some((decoded, length))));
}

/// A body and how many bytes it took.
type Decoded = Option<(Vec<u8>, usize)>;

/// The body; `None` when it is incomplete.
fn decode(bytes: &[u8], piece: usize) -> Result<Decoded, Refusal> {
    let mut decoder = ChunkDecoder::default();
    let mut decoded = Vec::new();
    let mut taken = 0;
    for piece in bytes.chunks(piece) {
        let mut piece = piece.to_vec();
        let step = decoder.decode(&mut piece)?;
        assert!(step.produced <= step.consumed && step.consumed <= piece.len());
        assert!(step.done || step.consumed == piece.len(), "it left bytes without being done");
        decoded.extend_from_slice(piece.get(..step.produced).unwrap_or_default());
        taken += step.consumed;
        if step.done {
            return Ok(Some((decoded, taken)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::{Strategy as _, any, prop, proptest};
    use proptest::sample::select;

    use super::*;

    /// Runs a law over every file of a corpus.
    fn replay(corpus: &str, law: fn(&[u8])) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(corpus);
        let mut count = 0;
        for entry in std::fs::read_dir(&root).unwrap_or_else(|error| panic!("{root:?}: {error}")) {
            law(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(0 < count);
    }

    #[test]
    fn the_corpora_break_no_law() {
        replay("head", request);
        replay("head", response);
        replay("chunked", chunked);
    }

    /// Pieces that heads are made of, so that random ones get past the first byte.
    const PIECES: [&str; 40] = [
        "GET",
        "POST",
        "OPTIONS",
        "HTTP/1.1",
        "HTTP/1.0",
        " ",
        "/",
        "/a",
        "*",
        "..",
        "%2e",
        "%2f",
        "//",
        "?",
        "http://h",
        "\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        ":",
        ": ",
        "Host",
        "Host: h",
        "Content-Length: 5",
        "Content-Length",
        "Transfer-Encoding: chunked",
        "chunked",
        "Connection: close",
        "Connection: x-a, upgrade",
        "Upgrade: websocket",
        "X-A: b",
        "x_forwarded_for: 1",
        "Expect: 100-continue",
        "\t",
        "\0",
        "\u{e9}",
        "5",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 304 \r\n",
    ];

    proptest! {
        #[test]
        fn random_heads_break_no_law(pieces in vec(select(&PIECES[..]), 0..30)) {
            request(pieces.concat().as_bytes());
            response(pieces.concat().as_bytes());
        }

        #[test]
        fn heads_with_random_fields_break_no_law(
            fields in vec(select(&PIECES[21..]), 0..8),
            path in vec(select(&PIECES[6..14]), 0..6),
        ) {
            let (path, fields) = (path.concat(), fields.join("\r\n"));
            request(format!("GET /{path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n").as_bytes());
            response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes());
        }

        #[test]
        fn random_chunks_break_no_law(
            bytes in vec(select(&b"0123aAfF\r\n\r\n;=x: \0"[..]), 0..60),
            piece in any::<u8>(),
        ) {
            chunked(&[&[piece], bytes.as_slice()].concat());
        }

        #[test]
        fn valid_chunks_decode(
            pieces in vec(vec(any::<u8>(), 1..50), 0..9),
            piece in any::<u8>(),
            extension in prop::option::of("[a-z]{0,9}").prop_map(Option::unwrap_or_default),
        ) {
            let mut body = Vec::new();
            for piece in &pieces {
                body.extend(format!("{:X};{extension}\r\n", piece.len()).into_bytes());
                body.extend_from_slice(piece);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\nt: v\r\n\r\n");
            let length = body.len();
            assert_eq!(decode(&body, length), Ok(Some((pieces.concat(), length))));
            chunked(&[&[piece], body.as_slice()].concat());
        }
    }
}
