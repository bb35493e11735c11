//! What may be written where: every section and every key as data.
//!
//! The parsers read through these tables, so that a key cannot be parsed without being described;
//! the check for unknown keys, the JSON Schema, `why`'s defaults and the reference page are made
//! from the same tables.

/// One kind of section.
#[derive(Debug)]
pub struct Section {
    /// The first word of its header: `service`.
    pub name: &'static str,
    /// One sentence for the reference and for editors.
    pub about: &'static str,
    /// How its entries are laid out.
    pub shape: Shape,
    /// A few complete lines.
    pub example: &'static str,
}

/// How a section is laid out.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `[service.NAME]` with these keys.
    Named(&'static [Field]),
    /// `[route.NAME]` with these keys, and paths that begin with `/` and hold those.
    Routes(&'static [Field], &'static [Field]),
    /// `[release]` with these keys.
    Single(&'static [Field]),
    /// `[slo]` with entries `NAME = { … }` that hold these keys.
    Entries(&'static [Field]),
    /// `[secret]` with entries `NAME = { … }` whose names are those of variables.
    Variables(&'static [Field]),
    /// `[flags]` with entries `NAME = value`.
    Values,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// As it is written.
    pub name: &'static str,
    /// One sentence for the reference and for editors.
    pub about: &'static str,
    /// What may stand on its right.
    pub syntax: Syntax,
    /// What holds when it is left out, written as in the file.
    pub default: Option<&'static str>,
    /// A complete right side.
    pub example: &'static str,
    /// Whether leaving it out is a mistake.
    pub required: bool,
}

/// What may stand on the right of a key.
#[derive(Clone, Copy, Debug)]
pub enum Syntax {
    /// Any text.
    Text,
    /// A path relative to the manifest that stays below it.
    Path,
    /// A path of a URL, beginning with `/`.
    UrlPath,
    /// `true` or `false`.
    Boolean,
    /// A whole number between the two.
    Whole(i64, i64),
    /// `30s`.
    Duration,
    /// `512Mi`.
    Size,
    /// `1`, `0.5`, `500m`.
    Cpu,
    /// `99.9%`.
    Percent,
    /// `50/s`.
    Rate,
    /// The bare name of a section of this kind.
    Name(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text of a form that is described here.
    Form(&'static str),
    /// `$NAME`.
    Secret,
    /// Text, a number or a truth value.
    Scalar,
    /// A list of these.
    List(&'static Self),
    /// A table with these keys.
    Table(&'static [Field]),
    /// A table from names of variables to these.
    Map(&'static Self),
    /// A table with `kind` and the keys of that kind.
    Kind(&'static [Field]),
}

impl Field {
    /// A key that may be left out.
    #[must_use]
    pub const fn new(name: &'static str, syntax: Syntax, about: &'static str) -> Self {
        Self { name, about, syntax, default: None, example: "", required: false }
    }

    /// Sets what holds when it is left out.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Sets a complete right side.
    #[must_use]
    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    /// Makes leaving it out a mistake.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl Syntax {
    /// What is expected, as it reads after "must be".
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Text | Self::Path | Self::UrlPath | Self::Form(_) => "text".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Whole(..) => "a whole number".to_owned(),
            Self::Duration => "a duration in quotes".to_owned(),
            Self::Size => "a size in quotes".to_owned(),
            Self::Cpu => "a number of cores in quotes".to_owned(),
            Self::Percent => "a percentage in quotes".to_owned(),
            Self::Rate => "a rate in quotes".to_owned(),
            Self::Name(kind) => format!("the name of a {kind}"),
            Self::Choice(words) => format!("one of {}", crate::names::quoted(words)),
            Self::Secret => "the name of a secret, `$NAME`".to_owned(),
            Self::Scalar => "text, a number, `true` or `false`".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) | Self::Map(_) | Self::Kind(_) => "a table".to_owned(),
        }
    }
}

/// The field of this name.
#[must_use]
pub fn named(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find(|field| field.name == name)
}
