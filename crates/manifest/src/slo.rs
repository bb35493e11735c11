//! `[slo]`: what good service is, written once for everything that judges by it.

use std::fmt;
use std::time::Duration;

use base::{Percent, Span, Spanned, format_duration, parse_duration};

use crate::cursor::{Cursor, Refusal};
use crate::field::{Field, Section, Shape, Syntax};
use crate::names;

/// A service-level objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// Its key.
    pub name: Spanned<String>,
    /// Whose requests are judged.
    pub of: Spanned<RouteRef>,
    /// Which of them are good.
    pub good: Spanned<Good>,
    /// How many must be good.
    pub target: Spanned<Percent>,
    /// Over which time.
    pub over: Spanned<Duration>,
    /// Where it is named.
    pub span: Span,
}

/// A route, or one path of it: `app`, `app/api/`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteRef {
    /// The route's name.
    pub route: String,
    /// The path as it stands in the route; all of them when absent.
    pub path: Option<String>,
}

/// Which requests are good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Good {
    /// Those answered faster than this.
    Under(Duration),
    /// Those answered with no status of this class: 4 or 5.
    NotStatus(u8),
}

/// The keys of an objective.
pub static FIELDS: &[Field] = &[
    Field::new(
        "of",
        Syntax::Form("a route, or a route and one of its paths"),
        "Whose requests are judged.",
    )
    .example("\"app/api/\"")
    .required(),
    Field::new(
        "good",
        Syntax::Form("`under DURATION`, `not 5xx` or `not 4xx`"),
        "Which of them are good.",
    )
    .example("\"under 2s\"")
    .required(),
    Field::new("target", Syntax::Percent, "How many must be good.").example("\"99.9%\"").required(),
    Field::new("over", Syntax::Duration, "Over which time.").default("\"30d\"").example("\"30d\""),
];

/// `[slo]`.
pub static SECTION: Section = Section {
    name: "slo",
    about: "Service-level objectives. Load tests, canaries, alerts and scaling all judge by them.",
    shape: Shape::Entries(FIELDS),
    example: "[slo]\nlatency      = { of = \"app/api/\", good = \"under 2s\", target = \"95%\" \
        }\navailability = { of = \"app/api/\", good = \"not 5xx\", target = \"99.9%\" }",
};

impl Slo {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        let incomplete = cursor.require_all();
        let span = name.span;
        let of = cursor.read("of", RouteRef::parse);
        let good = cursor.read("good", Good::parse);
        let target = cursor.read("target", |text| {
            let target = Percent::parse(text)?;
            if target.fraction() <= 0.0 || 1.0 <= target.fraction() {
                let help = "write less than 100 %: the rest is the budget for changes and failures";
                return Err(Refusal::new(
                    format!("nothing can be judged by a target of {target}"),
                    help,
                ));
            }
            Ok(target)
        });
        let over =
            cursor.period("over").unwrap_or(Spanned::new(Duration::from_secs(30 * 86_400), span));
        if incomplete {
            return None;
        }
        Some(Self { name, of: of?, good: good?, target: target?, over, span })
    }
}

impl RouteRef {
    /// Reads `route` or `route/path`.
    ///
    /// # Errors
    ///
    /// When it does not begin with a name.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (route, path) = match text.find('/') {
            Some(slash) => {
                let (route, path) = text.split_at(slash);
                (route, Some(path.to_owned()))
            }
            None => (text, None),
        };
        if names::is_name(route) {
            return Ok(Self { route: route.to_owned(), path });
        }
        let message = format!("`{text}` is not a route");
        Err(Refusal::new(message, "write a route's name, or that and one of its paths: `app/api/`"))
    }
}

impl fmt::Display for RouteRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.route, self.path.as_deref().unwrap_or_default())
    }
}

impl Good {
    /// Reads `under 2s` or `not 5xx`.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["under", limit] => {
                let limit = parse_duration(limit)?;
                if limit.is_zero() {
                    return Err(Refusal::new(
                        "no request takes less than no time",
                        "write `under 250ms`",
                    ));
                }
                Ok(Self::Under(limit))
            }
            ["not", "5xx"] => Ok(Self::NotStatus(5)),
            ["not", "4xx"] => Ok(Self::NotStatus(4)),
            _ => {
                let message = format!("`{text}` does not say which requests are good");
                Err(Refusal::new(message, "write `under 250ms` or `not 5xx`"))
            }
        }
    }
}

impl fmt::Display for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Under(limit) => write!(f, "under {}", format_duration(*limit)),
            Self::NotStatus(class) => write!(f, "not {class}xx"),
        }
    }
}
