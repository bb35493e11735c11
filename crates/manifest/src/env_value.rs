//! What a variable of a service's environment holds: text, an address, or a secret.
//!
//! The whole value is one of the three; there is no interpolation inside of text, so that nobody
//! has to know which characters must be escaped. A leading `@@` or `$$` stands for the character.

use crate::cursor::Refusal;
use crate::names;

/// The value of a variable, as intent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EnvValue {
    /// Handed over as it stands.
    Text(String),
    /// Where another section is reached: `@db`, `@db.replica`, `@api`.
    Address {
        /// The name of a service, database or cache.
        section: String,
        /// Which of its addresses; the main one when absent.
        part: Option<String>,
    },
    /// The value of this secret: `$NAME`.
    Secret(String),
}

impl EnvValue {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// When it begins with `@` or `$` and is neither an address nor a secret.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.starts_with("@@") || text.starts_with("$$") {
            return Ok(Self::Text(text.chars().skip(1).collect()));
        }
        if let Some(name) = text.strip_prefix('$') {
            return Self::secret(name);
        }
        let Some(address) = text.strip_prefix('@') else {
            return Ok(Self::Text(text.to_owned()));
        };
        let (section, part) = match address.split_once('.') {
            Some((section, part)) => (section, Some(part)),
            None => (address, None),
        };
        if names::is_name(section) && part.is_none_or(names::is_name) {
            let part = part.map(str::to_owned);
            return Ok(Self::Address { section: section.to_owned(), part });
        }
        let help = if address.contains('/') {
            "an address is the whole value, such as `@api`; hand the path over in a variable of \
                its own"
        } else {
            "write `@` and the name of a section, such as `@db` or `@db.replica`; `@@` for an `@`"
        };
        Err(Refusal::new(format!("`{text}` is not the address of a section"), help))
    }

    fn secret(name: &str) -> Result<Self, Refusal> {
        if names::is_variable(name) {
            return Ok(Self::Secret(name.to_owned()));
        }
        let help = match name.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(bare) if names::is_variable(bare) => format!("write `${bare}`"),
            _ => "a secret is the whole value, `$NAME`; write `$$` for a dollar sign".to_owned(),
        };
        Err(Refusal::new(format!("`${name}` is not the name of a secret"), help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_character_decides() {
        let address = |section: &str, part: Option<&str>| EnvValue::Address {
            section: section.into(),
            part: part.map(Into::into),
        };
        let check = |text: &str, value: EnvValue| assert_eq!(EnvValue::parse(text), Ok(value));
        check("plain", EnvValue::Text("plain".into()));
        check("", EnvValue::Text(String::new()));
        check("a@b.c", EnvValue::Text("a@b.c".into()));
        check("@@home", EnvValue::Text("@home".into()));
        check("$$5", EnvValue::Text("$5".into()));
        check("@db", address("db", None));
        check("@db.replica", address("db", Some("replica")));
        check("$JWT_SECRET", EnvValue::Secret("JWT_SECRET".into()));
    }

    #[test]
    fn interpolation_is_refused() {
        for text in ["@", "@api/path", "@Db", "@db.replica.x", "$", "${A}", "$A/b", "$1"] {
            assert!(EnvValue::parse(text).is_err(), "{text}");
        }
    }
}
