//! Responses: what an upstream sends, and what the client makes of it. The upstream closes its
//! connection after each.

use super::Case;
use crate::rig::Client;

pub(super) const CASES: &[Case] = &[
    ("length", "R9112 6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 length hi"),
    ("no reason", "R9112 4", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi", "200 length hi"),
    (
        "no reason, no space",
        "R9112 4",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi",
        "200 length hi",
    ),
    ("other status", "R9110 15", b"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", "299 length "),
    (
        "chunked",
        "R9112 7.1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "200 chunked hi",
    ),
    (
        "chunked with trailer",
        "R9112 7.1.2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nhi\r\n0\r\na: b\r\n\r\n",
        "200 chunked hi",
    ),
    ("until close", "R9112 6.3", b"HTTP/1.1 200 OK\r\n\r\nhi", "200 chunked hi"),
    ("until close, empty", "R9112 6.3", b"HTTP/1.1 200 OK\r\n\r\n", "200 chunked "),
    ("from HTTP/1.0", "R9112 2.3", b"HTTP/1.0 200 OK\r\n\r\nhi", "200 chunked hi"),
    (
        "1.0 client, chunked",
        "R9112 6.1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "200 close hi",
    ),
    ("1.0 client, until close", "R9112 6.3", b"HTTP/1.1 200 OK\r\n\r\nhi", "200 close hi"),
    (
        "1.0 client, length",
        "R9112 6.3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "200 length hi",
    ),
    (
        "1.0 client, truncated chunks",
        "R9112 8",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "200 broken",
    ),
    (
        "HEAD with length",
        "R9110 9.3.2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "200 length ",
    ),
    (
        "HEAD with chunked",
        "R9110 9.3.2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200 none ",
    ),
    ("HEAD without length", "R9110 9.3.2", b"HTTP/1.1 200 OK\r\n\r\n", "200 none "),
    ("204", "R9112 6.3", b"HTTP/1.1 204 No Content\r\n\r\n", "204 none "),
    (
        "204 with length",
        "R9110 8.6",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        "204 none ",
    ),
    (
        "304 with length",
        "R9110 8.6",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "304 length ",
    ),
    (
        "103 before",
        "R9110 15.2",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\
          \r\nhi",
        "103 none ; 200 length hi",
    ),
    (
        "1.0 client, 103 before",
        "R9110 15.2",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "200 length hi",
    ),
    (
        "101 unasked",
        "R9110 15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "502",
    ),
    (
        "more than the response",
        "R9112 9.2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!HTTP/1.1 200 OK",
        "200 length hi",
    ),
    (
        "length and chunked",
        "R9112 6.3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\
          \r\n\r\n",
        "502",
    ),
    (
        "two lengths",
        "R9112 6.3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        "502",
    ),
    (
        "two equal lengths",
        "R9112 6.3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        "502",
    ),
    ("list of lengths", "R9112 6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", "502"),
    ("odd length", "R9110 8.6", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", "502"),
    ("unknown coding", "R9112 6.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", "502"),
    (
        "coding before chunked",
        "R9112 6.1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "502",
    ),
    (
        "chunked from 1.0",
        "R9112 6.1",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "502",
    ),
    ("bare LF", "R9112 2.2", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "502"),
    ("bare CR", "R9112 2.2", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("NUL", "R9110 5.5", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("folded", "R9112 5.2", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("space before colon", "R9112 5.1", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", "502"),
    ("not HTTP", "R9112 4", b"SSH-2.0-x\r\n\r\n", "502"),
    ("HTTP/2", "R9112 2.3", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("status of two digits", "R9112 4", b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("status 099", "R9110 15", b"HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("status 600", "R9110 15", b"HTTP/1.1 600 High\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("line before", "R9112 2.2", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "502"),
    ("nothing", "R9112 8", b"", "502"),
    ("half a head", "R9112 8", b"HTTP/1.1 200 OK\r\nContent-", "502"),
    ("short body", "R9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "200 broken"),
    (
        "chunks cut",
        "R9112 8",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
        "200 broken",
    ),
    (
        "no last chunk",
        "R9112 8",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "200 broken",
    ),
    (
        "trailer cut",
        "R9112 8",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        "200 broken",
    ),
    (
        "bad chunk size",
        "R9112 7.1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\nhi\r\n0\r\n\r\n",
        "502",
    ),
];

/// What a client understood: each response's status, framing and body.
pub(super) fn understand(mut client: Client, method: &str) -> String {
    let mut text = String::new();
    loop {
        let (status, head) = client.head();
        let lower = head.to_ascii_lowercase();
        if status == 502 {
            return "502".to_owned();
        }
        let framing = if lower.contains("\r\ntransfer-encoding: chunked\r\n") {
            "chunked"
        } else if lower.contains("\r\ncontent-length: ") {
            "length"
        } else if (200..600).contains(&status) && status != 204 && method != "HEAD" {
            "close"
        } else {
            "none"
        };
        let bodiless = status < 200 || status == 204 || status == 304 || method == "HEAD";
        let length = lower
            .split("content-length: ")
            .nth(1)
            .map(|rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        let body = if bodiless { Ok(Vec::new()) } else { client.body(framing, length) };
        let Ok(body) = body else { return format!("{text}{status} broken") };
        text = format!("{text}{status} {framing} {}", body.escape_ascii());
        if 200 <= status {
            return text;
        }
        text.push_str("; ");
    }
}
