//! W3C trace context: the id that ties a request to what was done before and behind us.

use axum::http::HeaderValue;

/// The trace id of a `traceparent` header, or a new one.
pub fn id(header: Option<&HeaderValue>) -> String {
    header.and_then(|value| parse(value.to_str().ok()?)).map_or_else(new, str::to_owned)
}

/// Version 00 exactly; later versions may append fields.
fn parse(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hexadecimal = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let shaped = hexadecimal(version, 2)
        && hexadecimal(trace, 32)
        && hexadecimal(parent, 16)
        && hexadecimal(flags, 2);
    let known = version != "ff" && (version != "00" || parts.next().is_none());
    let set = |part: &str| part.bytes().any(|b| b != b'0');
    (shaped && known && set(trace) && set(parent)).then_some(trace)
}

fn new() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn check(header: &str, expected: Option<&str>) {
        assert_eq!(parse(header), expected, "{header}");
    }

    #[test]
    fn the_trace_of_a_valid_header_is_taken() {
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01"), Some(TRACE));
        check(&format!("01-{TRACE}-00f067aa0ba902b7-01-later"), Some(TRACE));
    }

    #[test]
    fn an_invalid_header_is_as_none() {
        check("", None);
        check(&format!("00-{TRACE}-00f067aa0ba902b7"), None);
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01-more"), None);
        check(&format!("ff-{TRACE}-00f067aa0ba902b7-01"), None);
        check(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None);
        check(&format!("00-{TRACE}-0000000000000000-01"), None);
        check(&format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), None);
        assert_eq!(id(None).len(), 32);
        assert_ne!(id(None), id(None));
    }
}
