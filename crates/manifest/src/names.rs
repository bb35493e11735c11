//! Names: which are allowed, and which known one was probably meant.

use std::fmt::Write as _;

/// Whether the text may name a section: `[a-z][a-z0-9-]{0,39}`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(tail)
}

/// Whether the text may name an environment variable or a secret: `[A-Za-z_][A-Za-z0-9_]*`.
#[must_use]
pub fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A name that [`is_name`] accepts and that resembles the text, if any letters are left of it.
#[must_use]
pub fn as_name(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || (c.is_ascii_digit() && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') && !c.is_ascii_digit() {
            name.push('-');
        }
    }
    name.truncate(40);
    let name = name.trim_end_matches('-');
    is_name(name).then(|| name.to_owned())
}

/// The candidate nearest to what was written, if one is near enough to have been meant.
pub fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer than any key: comparing would only cost time.
    if 64 < written.len() {
        return None;
    }
    let lowered = written.to_ascii_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lowered, &candidate.to_ascii_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.len().min(written.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "`a`, `b` or `c`".
#[must_use]
pub fn quoted<T: AsRef<str>>(words: &[T]) -> String {
    let mut out = String::new();
    for (index, word) in words.iter().enumerate() {
        let separator = match index {
            0 => "",
            _ if index + 1 == words.len() => " or ",
            _ => ", ",
        };
        let _infallible = write!(out, "{separator}`{}`", word.as_ref());
    }
    out
}

/// A remedy that names the nearest candidate, or all when they are few, or says that there is none.
#[must_use]
pub fn remedy(written: &str, known: &[&str], none: &str) -> String {
    match nearest(written, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => none.to_owned(),
        None if known.len() <= 12 => format!("write {}", quoted(known)),
        None => {
            format!("write one of the {} that exist, such as {}", known.len(), quoted(&known[..6]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_found() {
        let check = |written: &str, expected: Option<&str>| {
            assert_eq!(
                nearest(written, ["replicas", "memory", "drain", "of"]),
                expected,
                "{written}"
            );
        };
        check("replcas", Some("replicas"));
        check("Memory", Some("memory"));
        check("dran", Some("drain"));
        check("if", Some("of"));
        check("colour", None);
        check(&"x".repeat(1000), None);
    }

    #[test]
    fn names_are_lowercase_and_short() {
        for good in ["a", "nightly-report", "db2"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(41);
        for bad in ["", "A", "2db", "-a", "a_b", "ä", long.as_str()] {
            assert!(!is_name(bad), "{bad}");
        }
        assert_eq!(as_name("My_Service 2").as_deref(), Some("my-service-2"));
        assert_eq!(as_name("42"), None);
    }
}
