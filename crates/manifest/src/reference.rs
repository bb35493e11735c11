//! The reference page of the manifest, written from the tables of fields.

use std::fmt::Write as _;

use crate::field::{Field, Section, Shape, Syntax};
use crate::manifest::{FIELDS, SECTIONS};
use crate::names;
use crate::schema::KindSchema;

const INTRODUCTION: &str = "\
# `mainstay.toml`

<!-- Written from the code by `manifest::reference()`; a test compares the two. -->

TOML, strict: an unknown key is a mistake, and keys that begin with `x-` are yours.
Headers have at most two levels, `[kind.name]` or `[kind]`; names are of small letters, digits and
hyphens, begin with a letter and have at most 40 characters.

## Values

| form | examples |
|---|---|
| duration | `\"250ms\"`, `\"30s\"`, `\"5m\"`, `\"24h\"`, `\"7d\"`, `\"1m30s\"` |
| size | `\"512Mi\"`, `\"20Gi\"`, `\"100M\"`; `Ki`, `Mi`, `Gi`, `Ti` are powers of 1024, `k`, \
    `M`, `G`, `T` of 1000 |
| cores | `\"1\"`, `\"0.5\"`, `\"500m\"` |
| percentage | `\"99.9%\"` |
| rate | `\"50/s\"`, `\"5/m\"`, `\"100/h\"` |
| path | relative to the manifest, and below it |
| `$NAME` | a secret; its value is set with `mainstay secret set NAME` and never stands in the file |

In `env`, a value that begins with `@` is the address of another section: `\"@api\"`, \
    `\"@db\"`; of a
database with replicas also `\"@db.replica\"`. Whoever uses an address starts after what it \
    addresses.
A value that begins with `$` is a secret. `@@` and `$$` stand for the characters
themselves, and there is no other interpolation.
";

const ENVIRONMENTS: &str = "\
## `[env.NAME]`

What one environment changes. It takes everything the file takes, all of it optional, except `format`
and `app`. Tables merge; everything else, lists too, replaces. Environments do not inherit from each
other. `dev` exists without being written.

| key | value | meaning |
|---|---|---|
| `drop` | list of paths | What this environment is without: `drop = [\"service.mailer\", \
    \"notify.*\"]`. |
| `SECTION.\"*\"` | as the section | Holds for every name of the section; what is written for \
    one name wins. |

```toml
[env.dev]
watch = true
route.app.host   = \"shop.localhost\"
release.strategy = \"restart\"
drop = [\"notify.pager\"]

[env.staging]
service.\"*\".scale = { min = 1, max = 1 }
```
";

/// The page as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Outside of sections\n\n");
    write_fields(&mut page, FIELDS, "");
    for section in SECTIONS {
        write_section(&mut page, section);
    }
    page.push('\n');
    page.push_str(ENVIRONMENTS);
    page
}

/// The keys of build kinds, engines and notifiers as Markdown.
#[must_use]
pub fn kind_reference(kinds: &[KindSchema]) -> String {
    let mut page = "# Build kinds, engines and notifiers\n".to_owned();
    for kind in kinds {
        let _infallible = write!(
            page,
            "\n## `{} = \"{}\"` in `{}`\n\n{}\n\n",
            kind.key, kind.name, kind.section, kind.about
        );
        if kind.fields.is_empty() {
            page.push_str("No keys of its own.\n");
        } else {
            write_fields(&mut page, kind.fields, "");
        }
    }
    page
}

fn write_section(page: &mut String, section: &Section) {
    let header = match section.shape {
        Shape::Named(_) | Shape::Routes(..) => format!("[{}.NAME]", section.name),
        Shape::Single(_) | Shape::Entries(_) | Shape::Variables(_) | Shape::Values => {
            format!("[{}]", section.name)
        }
    };
    let _infallible =
        write!(page, "\n## `{header}`\n\n{}\n\n```toml\n{}\n```\n", section.about, section.example);
    match section.shape {
        Shape::Named(fields) | Shape::Single(fields) => {
            page.push('\n');
            write_fields(page, fields, "");
        }
        Shape::Entries(fields) | Shape::Variables(fields) => {
            page.push_str("\nThe keys of an entry:\n\n");
            write_fields(page, fields, "");
        }
        Shape::Routes(fields, of_paths) => {
            page.push('\n');
            write_fields(page, fields, "");
            page.push_str("\nThe keys of a path:\n\n");
            write_fields(page, of_paths, "");
        }
        Shape::Values => {}
    }
}

/// A table of keys; the keys of tables stand below their table's, with its name before a dot.
fn write_fields(page: &mut String, fields: &[Field], above: &str) {
    if above.is_empty() {
        page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    }
    for field in fields {
        let default = match (field.required, field.default) {
            (true, _) => "**required**".to_owned(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => String::new(),
        };
        let example = match field.syntax {
            Syntax::Boolean | Syntax::Choice(_) | Syntax::Table(_) => String::new(),
            _ => format!(" e.g. `{}`", escaped(field.example)),
        };
        let _infallible = writeln!(
            page,
            "| `{above}{}` | {} | {default} | {}{example} |",
            field.name,
            escaped(&form(&field.syntax)),
            escaped(field.about),
        );
        if let Syntax::Table(below) | Syntax::Kind(below) = field.syntax {
            write_fields(page, below, &format!("{above}{}.", field.name));
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

fn form(syntax: &Syntax) -> String {
    match syntax {
        Syntax::Text => "text".to_owned(),
        Syntax::Path => "path".to_owned(),
        Syntax::UrlPath => "path of a URL".to_owned(),
        Syntax::Boolean => "`true` or `false`".to_owned(),
        Syntax::Whole(least, most) => format!("{least} to {most}"),
        Syntax::Duration => "duration".to_owned(),
        Syntax::Size => "size".to_owned(),
        Syntax::Cpu => "cores".to_owned(),
        Syntax::Percent => "percentage".to_owned(),
        Syntax::Rate => "rate".to_owned(),
        Syntax::Name(kind) => format!("name of a `{kind}`"),
        Syntax::Choice(words) => names::quoted(words),
        Syntax::Form(form) => (*form).to_owned(),
        Syntax::Secret => "`$NAME`".to_owned(),
        Syntax::Scalar => "text, number, `true` or `false`".to_owned(),
        Syntax::List(of) => format!("list: {}", form(of)),
        Syntax::Table(_) => "table".to_owned(),
        Syntax::Map(of) => format!("table from variables to: {}", form(of)),
        Syntax::Kind(_) => "table with `kind` and the keys of that kind".to_owned(),
    }
}
