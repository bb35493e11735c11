//! The manifest's JSON Schema, for completion and hints in editors.
//!
//! Made from the tables of fields, so that it says what the parsers do. It is a little more lenient
//! than they are: whether an address exists or two lines contradict each other, only `check` tells.

use serde_json::{Map, Value, json};

use crate::field::{Field, Section, Shape, Syntax};
use crate::manifest::{FIELDS, FORMAT, SECTIONS};

/// A kind that the schema knows: a build kind, an engine, a notifier.
#[derive(Clone, Copy, Debug)]
pub struct KindSchema {
    /// The section, or the key `build`: `build`, `database`, `cache`, `notify`.
    pub section: &'static str,
    /// The key that names the kind: `kind`, `engine`.
    pub key: &'static str,
    /// What the user writes.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The kind's own keys.
    pub fields: &'static [Field],
}

/// Whether a schema describes a whole section or what an environment changes of one.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    Whole,
    Overlay,
}

struct Writer<'a> {
    kinds: &'a [KindSchema],
    part: Part,
}

const NAME: &str = "^[a-z][a-z0-9-]{0,39}$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// The JSON Schema (2020-12) of the manifest, with the keys of these kinds.
#[must_use]
pub fn schema(kinds: &[KindSchema]) -> Value {
    let whole = Writer { kinds, part: Part::Whole };
    let overlay = Writer { kinds, part: Part::Overlay };
    let mut environment = overlay.document();
    if let Some(properties) = environment.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("format");
        properties.remove("app");
        properties.insert(
            "drop".to_owned(),
            json!({
                "description": "Paths of what this environment is without, such as \
                    `service.mailer`.",
                "type": "array",
                "items": { "type": "string" },
            }),
        );
    }
    let mut root = whole.document();
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            "format".to_owned(),
            json!({ "const": FORMAT, "description": "The number of this file's format." }),
        );
        properties.insert(
            "env".to_owned(),
            json!({
                "description": "What one environment changes: tables merge, everything else \
                    replaces, `drop` removes, `\"*\"` means every name.",
                "type": "object",
                "patternProperties": { NAME: environment, "^x-": {} },
                "additionalProperties": false,
            }),
        );
    }
    if let Some(object) = root.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("mainstay.toml"));
    }
    root
}

impl Writer<'_> {
    fn document(&self) -> Value {
        let mut object = self.table(FIELDS);
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            for section in SECTIONS {
                properties.insert(section.name.to_owned(), self.section(section));
            }
        }
        object
    }

    fn section(&self, section: &Section) -> Value {
        let mut schema = match section.shape {
            Shape::Single(fields) => self.table(fields),
            Shape::Named(fields) if self.has_kinds(section.name) => {
                self.names(NAME, &self.kind(section.name, fields))
            }
            Shape::Named(fields) | Shape::Entries(fields) => self.names(NAME, &self.table(fields)),
            Shape::Variables(fields) => self.names(VARIABLE, &self.table(fields)),
            Shape::Values => self.names(NAME, &json!({ "type": ["boolean", "number", "string"] })),
            Shape::Routes(fields, of_paths) => {
                let mut route = self.table(fields);
                if let Some(patterns) =
                    route.get_mut("patternProperties").and_then(Value::as_object_mut)
                {
                    patterns.insert("^/".to_owned(), self.table(of_paths));
                }
                self.names(NAME, &route)
            }
        };
        describe(&mut schema, section.about, None);
        schema
    }

    /// An object whose keys are names.
    fn names(&self, pattern: &str, of: &Value) -> Value {
        let mut patterns = Map::new();
        patterns.insert(pattern.to_owned(), of.clone());
        patterns.insert("^x-".to_owned(), json!({}));
        if self.part == Part::Overlay {
            patterns.insert("^\\*$".to_owned(), of.clone());
        }
        json!({ "type": "object", "patternProperties": patterns, "additionalProperties": false })
    }

    /// An object with these keys.
    fn table(&self, fields: &[Field]) -> Value {
        let mut properties = Map::new();
        for field in fields {
            properties.insert(field.name.to_owned(), self.field(field));
        }
        let mut object = json!({
            "type": "object",
            "properties": properties,
            "patternProperties": { "^x-": {} },
            "additionalProperties": false,
        });
        let required: Vec<&str> =
            fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        if self.part == Part::Whole
            && !required.is_empty()
            && let Some(object) = object.as_object_mut()
        {
            object.insert("required".to_owned(), json!(required));
        }
        object
    }

    fn has_kinds(&self, section: &str) -> bool {
        matches!(section, "database" | "cache" | "notify") || section == "build"
    }

    /// An object that also takes the keys of the kind that it names.
    fn kind(&self, section: &str, common: &[Field]) -> Value {
        let kinds: Vec<&KindSchema> =
            self.kinds.iter().filter(|kind| kind.section == section).collect();
        let mut object = self.table(common);
        let Some(fields) = object.as_object_mut() else {
            return object;
        };
        let Some(key) = kinds.first().map(|kind| kind.key) else {
            // Without knowing the kinds, nothing can be said against a key.
            fields.remove("additionalProperties");
            return object;
        };
        fields.remove("additionalProperties");
        fields.insert("unevaluatedProperties".to_owned(), json!(false));
        if let Some(property) = fields.get_mut("properties").and_then(|all| all.get_mut(key)) {
            let options: Vec<Value> = kinds
                .iter()
                .map(|kind| json!({ "const": kind.name, "description": kind.about }))
                .collect();
            *property = json!({ "description": property.get("description"), "oneOf": options });
        }
        let cases: Vec<Value> = kinds
            .iter()
            .map(|kind| {
                let mut own = self.table(kind.fields);
                if let Some(own) = own.as_object_mut() {
                    own.remove("additionalProperties");
                }
                json!({
                    "if": { "properties": { key: { "const": kind.name } }, "required": [key] },
                    "then": own,
                })
            })
            .collect();
        fields.insert("allOf".to_owned(), json!(cases));
        object
    }

    fn field(&self, field: &Field) -> Value {
        let mut schema = self.syntax(&field.syntax);
        describe(&mut schema, field.about, field.default);
        schema
    }

    fn syntax(&self, syntax: &Syntax) -> Value {
        let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        match syntax {
            Syntax::Text | Syntax::Form(_) => json!({ "type": "string", "minLength": 1 }),
            Syntax::Path => text("^[^/~\\\\]"),
            Syntax::UrlPath => text("^/\\S*$"),
            Syntax::Boolean => json!({ "type": "boolean" }),
            Syntax::Whole(least, most) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Syntax::Duration => text("^\\s*([0-9.]+(ms|s|m|h|d|w)\\s*)+$"),
            Syntax::Size => text("^\\s*[0-9.]+\\s*(B|k|M|G|T|Ki|Mi|Gi|Ti)?\\s*$"),
            Syntax::Cpu => text("^\\s*[0-9]+(\\.[0-9]{1,3}|m)?\\s*$"),
            Syntax::Percent => text("^\\s*[0-9]+(\\.[0-9]{1,4})?\\s*%\\s*$"),
            Syntax::Rate => text("^\\s*[0-9]+/[smh]\\s*$"),
            Syntax::Name(_) => text(NAME),
            Syntax::Choice(words) => json!({ "enum": words }),
            Syntax::Secret => text("^\\$[A-Za-z_][A-Za-z0-9_]*$"),
            Syntax::Scalar => json!({ "type": ["string", "number", "boolean"] }),
            Syntax::List(of) => json!({ "type": "array", "items": self.syntax(of) }),
            Syntax::Table(fields) => self.table(fields),
            Syntax::Map(of) => self.names(VARIABLE, &self.syntax(of)),
            Syntax::Kind(fields) => self.kind("build", fields),
        }
    }
}

fn describe(schema: &mut Value, about: &str, default: Option<&str>) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.insert("description".to_owned(), json!(about));
    if let Some(default) = default {
        let value = serde_json::from_str(default).unwrap_or_else(|_no_json| json!(default));
        object.insert("default".to_owned(), value);
    }
}
