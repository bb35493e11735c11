//! Reads the environment, once, when the process starts.
//!
//! A variable that is missing or wrong ends the process with one line that names it, and with the
//! exit code that `sysexits.h` gives to a configuration error. Values never appear in the message:
//! several of them are secrets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The exit code of a configuration error.
pub const EXIT_CODE: u8 = 78;

/// Signing keys shorter than the hash they feed can be guessed.
const JWT_SECRET_MIN: usize = 32;

/// What every command is told.
pub struct Config {
    pub primary: tokio_postgres::Config,
    pub replica: tokio_postgres::Config,
    /// Connections that this instance opens to each of the two.
    pub pool: usize,
    pub redis: redis::Client,
    pub jwt_secret: Vec<u8>,
    pub flags: FlagSources,
}

/// Where flags come from; see `flags.rs`.
#[derive(Clone, Default)]
pub struct FlagSources {
    pub file: Option<PathBuf>,
    pub new_matcher: Option<bool>,
}

/// Reads where the API listens, which the other commands need not know.
pub fn address(lookup: &dyn Fn(&str) -> Option<String>) -> Result<SocketAddr, String> {
    let optional = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let host = parse_or("HOST", optional("HOST"), IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let port = optional("PORT").ok_or("PORT is missing")?;
    Ok(SocketAddr::new(host, parse_text("PORT", &port)?))
}

/// Reads the variables through `lookup`, which is the process's environment outside tests.
pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Config, String> {
    let optional = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let required = |name: &str| optional(name).ok_or_else(|| format!("{name} is missing"));

    let pool = parse_or("DATABASE_POOL", optional("DATABASE_POOL"), 10)?;
    if !(2..=1000).contains(&pool) {
        return Err("DATABASE_POOL must be between 2 and 1000".to_owned());
    }
    let jwt_secret = required("JWT_SECRET")?.into_bytes();
    if jwt_secret.len() < JWT_SECRET_MIN {
        return Err(format!("JWT_SECRET must have at least {JWT_SECRET_MIN} characters"));
    }
    let new_matcher = match optional("FLAG_NEW_MATCHER") {
        Some(text) => Some(parse_text("FLAG_NEW_MATCHER", &text)?),
        None => None,
    };
    Ok(Config {
        primary: database("DATABASE_URL", &required("DATABASE_URL")?)?,
        replica: database("DATABASE_READ_URL", &required("DATABASE_READ_URL")?)?,
        pool,
        redis: redis::Client::open(required("REDIS_URL")?)
            .map_err(|_| "REDIS_URL is not a redis:// address".to_owned())?,
        jwt_secret,
        flags: FlagSources {
            file: optional("MAINSTAY_FLAGS_FILE").map(PathBuf::from),
            new_matcher,
        },
    })
}

fn database(name: &str, text: &str) -> Result<tokio_postgres::Config, String> {
    let wrong = || format!("{name} is not a postgres:// address");
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(wrong());
    }
    tokio_postgres::Config::from_str(text).map_err(|_| wrong())
}

fn parse_or<T: FromStr>(name: &str, text: Option<String>, otherwise: T) -> Result<T, String> {
    match text {
        Some(text) => parse_text(name, &text),
        None => Ok(otherwise),
    }
}

fn parse_text<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} has a value that cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("PORT", "4000"),
        ("DATABASE_URL", "postgres://u:p@127.0.0.1:5432/app"),
        ("DATABASE_READ_URL", "postgresql://u:p@127.0.0.1:5433/app"),
        ("REDIS_URL", "redis://:p@127.0.0.1:6379/0"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ];

    /// The error when `name` has `value`, or is missing.
    fn check(name: &str, value: Option<&str>, expected: Option<&str>) {
        let lookup = |asked: &str| {
            if asked == name {
                return value.map(str::to_owned);
            }
            GOOD.iter().find(|(known, _)| *known == asked).map(|(_, value)| (*value).to_owned())
        };
        let error = address(&lookup).err().or_else(|| parse(&lookup).err());
        assert_eq!(error.as_deref(), expected, "{name} = {value:?}");
    }

    #[test]
    fn five_variables_are_enough() {
        check("HOST", None, None);
    }

    #[test]
    fn a_missing_variable_is_named() {
        for (name, _) in GOOD {
            check(name, None, Some(&format!("{name} is missing")));
            check(name, Some(""), Some(&format!("{name} is missing")));
        }
    }

    #[test]
    fn a_wrong_variable_is_named_without_its_value() {
        check("PORT", Some("70000"), Some("PORT has a value that cannot be read"));
        check("HOST", Some("here"), Some("HOST has a value that cannot be read"));
        check("DATABASE_URL", Some("mysql://x"), Some("DATABASE_URL is not a postgres:// address"));
        check("REDIS_URL", Some("nonsense"), Some("REDIS_URL is not a redis:// address"));
        check("JWT_SECRET", Some("short"), Some("JWT_SECRET must have at least 32 characters"));
        check("DATABASE_POOL", Some("1"), Some("DATABASE_POOL must be between 2 and 1000"));
        check(
            "FLAG_NEW_MATCHER",
            Some("perhaps"),
            Some("FLAG_NEW_MATCHER has a value that cannot be read"),
        );
    }
}
