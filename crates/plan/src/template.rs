//! Text with holes for secrets, filled at the last moment by whoever starts the process.
//!
//! A slice of the plan is stored and logged; a template is what lets a database's URL stand in it
//! without its password.

use std::collections::BTreeMap;

use base::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One piece of a template.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Stands as it is.
    Text(String),
    /// The name of a secret whose value stands here.
    Secret(String),
}

/// Text and secrets, in order.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub struct Template(pub Vec<Part>);

impl Template {
    /// A template without a secret.
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    /// A template that is one secret's value.
    pub fn secret(name: impl Into<String>) -> Self {
        Self(vec![Part::Secret(name.into())])
    }

    /// Appends text.
    #[must_use]
    pub fn and_text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Text(text.into()));
        self
    }

    /// Appends a secret's value.
    #[must_use]
    pub fn and_secret(mut self, name: impl Into<String>) -> Self {
        self.0.push(Part::Secret(name.into()));
        self
    }

    /// The names of the secrets it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Secret(name) => Some(name.as_str()),
        })
    }

    /// Fills the holes.
    ///
    /// # Errors
    ///
    /// The name of the first secret that is not among `secrets`.
    pub fn fill(&self, secrets: &BTreeMap<String, Secret>) -> Result<Secret, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Secret(name) => {
                    text.push_str(secrets.get(name).ok_or_else(|| name.clone())?.reveal());
                }
            }
        }
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_a_missing_secret_is_named() {
        let template =
            Template::text("postgres://app:").and_secret("pw").and_text("@127.0.0.1/app");
        assert_eq!(template.fill(&BTreeMap::new()), Err("pw".to_owned()));
        let secrets = BTreeMap::from([("pw".to_owned(), Secret::new("s3".into()))]);
        assert_eq!(
            template.fill(&secrets).map(|text| text.reveal().to_owned()),
            Ok("postgres://app:s3@127.0.0.1/app".to_owned())
        );
    }
}
