//! What a service expects of a variable, checked before it starts.

use std::fmt;

use base::parse_duration;

use crate::cursor::Refusal;
use crate::names;

/// What the value of a variable must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// What it must look like.
    pub shape: Expected,
    /// Whether the variable may be absent.
    pub optional: bool,
}

/// What a value must look like.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Text with a number of characters within bounds.
    Text {
        /// The fewest; 1 unless stated.
        min: u64,
        /// The most.
        max: Option<u64>,
    },
    /// A whole number within bounds.
    Integer {
        /// The least.
        min: Option<i64>,
        /// The greatest.
        max: Option<i64>,
    },
    /// A number, perhaps with a point.
    Number,
    /// `true`, `false`, `1` or `0`.
    Boolean,
    /// One of these.
    OneOf(Vec<String>),
    /// `scheme://host…`.
    Url,
    /// A number from 1 to 65535.
    Port,
    /// `somebody@somewhere`.
    Email,
    /// `30s`.
    Duration,
}

const WORDS: [&str; 9] =
    ["text", "url", "integer", "number", "boolean", "one of", "port", "email", "duration"];

/// The grammar, for the reference.
pub const FORM: &str = "`text`, `text min N max N`, `integer`, `integer min N max N`, `number`, \
    `boolean`, `one of A, B, C`, `url`, `port`, `email` or `duration`; then `optional` if it may \
    be absent";

impl Expectation {
    /// Reads an expectation.
    ///
    /// # Errors
    ///
    /// When the first word is unknown or what follows does not belong to it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (words, optional) = match words.as_slice() {
            [rest @ .., "optional"] => (rest, true),
            all => (all, false),
        };
        let shape = match words {
            ["one", "of", options @ ..] => one_of(text, options)?,
            ["text", rest @ ..] => {
                let (min, max) = bounds(text, rest)?;
                let positive = |bound: i64| {
                    u64::try_from(bound).map_err(|_negative| {
                        Refusal::new(
                            format!("`{text}` has a negative length"),
                            "write `text min 32`",
                        )
                    })
                };
                Expected::Text {
                    min: min.map_or(Ok(1), positive)?,
                    max: max.map(positive).transpose()?,
                }
            }
            ["integer", rest @ ..] => {
                let (min, max) = bounds(text, rest)?;
                Expected::Integer { min, max }
            }
            ["number"] => Expected::Number,
            ["boolean"] => Expected::Boolean,
            ["url"] => Expected::Url,
            ["port"] => Expected::Port,
            ["email"] => Expected::Email,
            ["duration"] => Expected::Duration,
            [known, stray, ..] if WORDS.contains(known) => {
                let message = format!("`{known}` takes no `{stray}`");
                return Err(Refusal::new(message, format!("write {FORM}")));
            }
            other => {
                let first = other.first().copied().unwrap_or_default();
                let message = format!("`{text}` is not an expectation");
                return Err(Refusal::new(message, names::remedy(first, &WORDS, "")));
            }
        };
        Ok(Self { shape, optional })
    }

    /// Says what is wrong with a value, without repeating it: it may be a secret.
    ///
    /// # Errors
    ///
    /// When the value is not what is expected; the message reads after the variable's name.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let holds = |truth: bool, expected: &str| {
            if truth { Ok(()) } else { Err(format!("must be {expected}")) }
        };
        if value.is_empty() && !matches!(self.shape, Expected::Text { min: 0, .. }) {
            return if self.optional { Ok(()) } else { Err("is empty".to_owned()) };
        }
        match &self.shape {
            Expected::Text { min, max } => {
                let length = u64::try_from(value.chars().count()).unwrap_or(u64::MAX);
                if length < *min {
                    return Err(format!("has {length} characters, but needs at least {min}"));
                }
                match max.filter(|max| *max < length) {
                    Some(max) => {
                        Err(format!("has {length} characters, but may have at most {max}"))
                    }
                    None => Ok(()),
                }
            }
            Expected::Integer { min, max } => {
                let Ok(number) = value.parse::<i64>() else {
                    return Err("must be a whole number".to_owned());
                };
                if let Some(min) = min.filter(|min| number < *min) {
                    return Err(format!("must be at least {min}"));
                }
                match max.filter(|max| *max < number) {
                    Some(max) => Err(format!("must be at most {max}")),
                    None => Ok(()),
                }
            }
            Expected::Number => holds(value.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
            Expected::Boolean => {
                holds(matches!(value, "true" | "false" | "1" | "0"), "`true` or `false`")
            }
            Expected::OneOf(options) => {
                let expected = names::quoted(options);
                holds(options.iter().any(|option| option == value), &format!("one of {expected}"))
            }
            Expected::Url => holds(is_url(value), "a URL such as `https://host/path`"),
            Expected::Port => {
                holds(value.parse::<u16>().is_ok_and(|port| port != 0), "a port from 1 to 65535")
            }
            Expected::Email => holds(is_email(value), "an address such as `name@example.com`"),
            Expected::Duration => holds(parse_duration(value).is_ok(), "a duration such as `30s`"),
        }
    }
}

impl fmt::Display for Expectation {
    /// Writes it the way [`Expectation::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn bounds<T: fmt::Display>(
            f: &mut fmt::Formatter<'_>,
            min: Option<T>,
            max: Option<T>,
        ) -> fmt::Result {
            for (word, bound) in [("min", min), ("max", max)] {
                if let Some(bound) = bound {
                    write!(f, " {word} {bound}")?;
                }
            }
            Ok(())
        }
        match &self.shape {
            Expected::Text { min, max } => {
                f.write_str("text")?;
                bounds(f, Some(*min).filter(|min| *min != 1), *max)?;
            }
            Expected::Integer { min, max } => {
                f.write_str("integer")?;
                bounds(f, *min, *max)?;
            }
            Expected::OneOf(options) => write!(f, "one of {}", options.join(", "))?,
            Expected::Number => f.write_str("number")?,
            Expected::Boolean => f.write_str("boolean")?,
            Expected::Url => f.write_str("url")?,
            Expected::Port => f.write_str("port")?,
            Expected::Email => f.write_str("email")?,
            Expected::Duration => f.write_str("duration")?,
        }
        f.write_str(if self.optional { " optional" } else { "" })
    }
}

fn one_of(text: &str, words: &[&str]) -> Result<Expected, Refusal> {
    let joined = words.join(" ");
    let options: Vec<String> = joined.split(',').map(|option| option.trim().to_owned()).collect();
    if options.iter().any(String::is_empty) {
        let message = format!("`{text}` has an empty choice");
        return Err(Refusal::new(
            message,
            "write the choices with commas between: `one of a, b, c`",
        ));
    }
    Ok(Expected::OneOf(options))
}

fn bounds(text: &str, mut words: &[&str]) -> Result<(Option<i64>, Option<i64>), Refusal> {
    let (mut min, mut max) = (None, None);
    while let [bound @ ("min" | "max"), number, rest @ ..] = words {
        let Ok(number) = number.parse::<i64>() else {
            let message = format!("`{number}` after `{bound}` is not a whole number");
            return Err(Refusal::new(message, "write `min 32` or `max 64`"));
        };
        if *bound == "min" {
            min = Some(number);
        } else {
            max = Some(number);
        }
        words = rest;
    }
    if let [bound @ ("min" | "max")] = words {
        let message = format!("`{bound}` needs a number");
        return Err(Refusal::new(message, format!("write `{bound} 32`")));
    }
    if let Some(stray) = words.first() {
        let message = format!("`{stray}` does not belong into `{text}`");
        return Err(Refusal::new(message, "go on with `min N`, `max N` or `optional`"));
    }
    if let (Some(least), Some(greatest)) = (min, max)
        && greatest < least
    {
        let message = format!("nothing is at least {least} and at most {greatest}");
        return Err(Refusal::new(message, "exchange the two numbers"));
    }
    Ok((min, max))
}

fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else {
        return false;
    };
    let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(letters)
        && !rest.is_empty()
        && !value.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_email(value: &str) -> bool {
    let Some((name, host)) = value.rsplit_once('@') else {
        return false;
    };
    !name.is_empty()
        && !host.is_empty()
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !value.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged() {
        let check = |expectation: &str, good: &[&str], bad: &[&str]| {
            let expectation = Expectation::parse(expectation).unwrap();
            for value in good {
                assert_eq!(expectation.check(value), Ok(()), "{expectation:?} {value}");
            }
            for value in bad {
                assert!(expectation.check(value).is_err(), "{expectation:?} {value}");
            }
        };
        check("text", &["a"], &[""]);
        check("text min 3 max 4", &["abc", "äöüß"], &["ab", "abcde"]);
        check("text optional", &["", "a"], &[]);
        check(
            "url",
            &["postgres://u:p@h/db", "unix:///x"],
            &["localhost:80", "http://", "a b://c"],
        );
        check("integer min 1 max 9", &["1", "9"], &["0", "10", "1.5", "x"]);
        check("number", &["1.5", "-2"], &["x", "NaN", "inf"]);
        check("boolean", &["true", "0"], &["yes", "TRUE"]);
        check("one of a, b c", &["a", "b c"], &["b", "A"]);
        check("port", &["1", "65535"], &["0", "65536"]);
        check("email", &["a@b"], &["a", "@b", "a@", "a b@c"]);
        check("duration", &["30s"], &["30"]);
    }

    #[test]
    fn an_unclear_expectation_is_refused() {
        for text in [
            "",
            "txt",
            "text min",
            "text min x",
            "text min 5 max 4",
            "text min -1",
            "url min 3",
            "one of",
            "one of a,,b",
            "optional",
            "integer between 1 and 2",
        ] {
            assert!(Expectation::parse(text).is_err(), "{text}");
        }
    }
}
