//! Paths: one spelling for each, so that a rule for a prefix cannot be climbed around.
//!
//! What is matched is what is forwarded. A path is brought to one form (RFC 3986, 6.2.2): encoded
//! unreserved characters are decoded, `.` and `..` resolved, empty segments joined. A climb above
//! the root, `%00`, a backslash and a malformed escape are refused. An encoded separator stays as
//! it is, since `/files/a%2Fb` is a fair name; but because some origins decode it before they
//! route, the decoded reading is handed out as well, and the caller refuses a path whose two
//! readings lead to different routes. A climb that only shows in that reading is refused here.

use super::Refusal;

/// A path in its one form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NormalPath {
    /// It already was.
    Same,
    /// It is this instead.
    Changed {
        /// What is matched and forwarded.
        path: Vec<u8>,
        /// How an origin that decodes separators first would read it, when that differs.
        decoded: Option<Vec<u8>>,
    },
}

/// Brings a path to its one form.
///
/// # Errors
///
/// [`Refusal::Path`] for what has no safe reading.
pub fn normalise(path: &[u8]) -> Result<NormalPath, Refusal> {
    if path.first() != Some(&b'/') {
        return Err(Refusal::Path);
    }
    if is_plain(path) {
        return Ok(NormalPath::Same);
    }
    let unescaped = decode_unreserved(path)?;
    let normal = resolve(&unescaped)?;
    let decoded = decode_separators(&normal);
    if let Some(decoded) = &decoded {
        let resolved = resolve(decoded)?;
        let climbs = decoded.split(|byte| *byte == b'/').any(is_dots);
        if climbs {
            return Err(Refusal::Path);
        }
        return Ok(NormalPath::Changed { path: normal, decoded: Some(resolved) });
    }
    if normal == path {
        return Ok(NormalPath::Same);
    }
    Ok(NormalPath::Changed { path: normal, decoded: None })
}

/// Whether nothing in it needs a second look: the common case, one pass.
fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    for &byte in path {
        match byte {
            b'/' | b'.' if after_slash => return false,
            b'/' => after_slash = true,
            b'%' | b'\\' | 0..=b' ' | 0x7f.. => return false,
            _ => after_slash = false,
        }
    }
    true
}

fn decode_unreserved(path: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'\\' | 0..=b' ' | 0x7f.. => return Err(Refusal::Path),
            b'%' => {
                let (escape, tail) = tail.split_first_chunk::<2>().ok_or(Refusal::Path)?;
                let [high, low] = escape.map(|digit| char::from(digit).to_digit(16));
                let value = high.zip(low).map(|(high, low)| high * 16 + low);
                let value =
                    value.and_then(|value| u8::try_from(value).ok()).ok_or(Refusal::Path)?;
                match value {
                    0 => return Err(Refusal::Path),
                    b'-' | b'.' | b'_' | b'~' => out.push(value),
                    value if value.is_ascii_alphanumeric() => out.push(value),
                    _ => out.extend([b'%', escape[0], escape[1]]),
                }
                rest = tail;
            }
            byte => out.push(byte),
        }
    }
    Ok(out)
}

/// Removes `.`, `..` and empty segments. Parameters do not hide dots: Tomcat reads `..;x` as `..`.
fn resolve(path: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(path.len());
    let mut directory = true;
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        directory = false;
        match segment {
            b"" | b"." => directory = true,
            b".." => {
                let parent = out.iter().rposition(|byte| *byte == b'/').ok_or(Refusal::Path)?;
                out.truncate(parent);
                directory = true;
            }
            segment if is_dots(segment) => return Err(Refusal::Path),
            segment => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    if directory {
        out.push(b'/');
    }
    Ok(out)
}

fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    name == b"." || name == b".."
}

fn decode_separators(path: &[u8]) -> Option<Vec<u8>> {
    let is_separator =
        |escape: &[u8]| escape.eq_ignore_ascii_case(b"%2f") || escape.eq_ignore_ascii_case(b"%5c");
    if !path.windows(3).any(is_separator) {
        return None;
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        match rest.get(..3) {
            Some(escape) if is_separator(escape) => {
                out.push(b'/');
                rest = rest.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        let actual = match normalise(path.as_bytes()) {
            Ok(NormalPath::Same) => path.to_owned(),
            Ok(NormalPath::Changed { path, .. }) => String::from_utf8(path).unwrap(),
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(actual, expected, "{path}");
        if let Ok(NormalPath::Changed { path, .. }) = normalise(path.as_bytes()) {
            // A second pass finds nothing more to do.
            let again = normalise(&path).unwrap();
            match again {
                NormalPath::Same => {}
                NormalPath::Changed { path: second, .. } => assert_eq!(second, path),
            }
        }
    }

    #[test]
    fn every_path_has_one_spelling() {
        check("/", "/");
        check("/a/b.c/.well-known/..x/...", "/a/b.c/.well-known/..x/...");
        check("//a///b//", "/a/b/");
        check("/a/./b/.", "/a/b/");
        check("/a/../b", "/b");
        check("/a/b/..", "/a/");
        check("/%61dmin/%7Ex", "/admin/~x");
        check("/a/%2e%2E/b", "/b");
        check("/caf%c3%a9", "/caf%c3%a9");
        check("/a%20b", "/a%20b");
        check("/files/a%2Fb", "/files/a%2Fb");
    }

    #[test]
    fn what_has_no_safe_reading_is_refused() {
        for path in [
            "",
            "a",
            "*",
            "/..",
            "/a/../..",
            "/%2e%2e/a",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a\\b",
            "/..;/a",
            "/..;x=1/a",
            "/a/..%2f..%2fb",
            "/a/%2e%2e%5cb",
            "/a b",
            "/a\u{e9}",
            "/..%2fa",
        ] {
            check(path, "refused");
        }
    }

    #[test]
    fn the_reading_with_decoded_separators_is_handed_out() {
        let Ok(NormalPath::Changed { decoded, .. }) = normalise(b"/admin%2Fx") else { panic!() };
        assert_eq!(decoded.unwrap(), b"/admin/x");
    }
}
