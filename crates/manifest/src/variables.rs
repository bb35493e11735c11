//! What programs find in their environment, written for people: a template and a reference.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::env_value::EnvValue;
use crate::manifest::Manifest;

/// A variable, everything that is known of it, and who gets it.
#[derive(Default)]
struct Variable {
    /// Where its value comes from, in words.
    source: String,
    /// What it is for.
    doc: Option<String>,
    /// What it must look like.
    expected: Option<String>,
    /// Its value, when that stands in the manifest.
    value: Option<String>,
    users: Vec<String>,
}

impl Variable {
    /// Notes what it holds for one more program; programs may differ in it.
    fn holds(&mut self, source: &str, value: Option<&str>) {
        if self.source.is_empty() {
            source.clone_into(&mut self.source);
            self.value = value.map(str::to_owned);
            return;
        }
        if !self.source.split(" or ").any(|known| known == source) {
            let _infallible = write!(self.source, " or {source}");
        }
        if self.value.as_deref() != value {
            self.value = None;
        }
    }
}

/// A template of the variables that the application's programs read: `.env.example`.
///
/// It is for people who run one of the programs by hand, and for importing: secrets are empty.
#[must_use]
pub fn env_example(manifest: &Manifest) -> String {
    let app = &manifest.app.value;
    let mut text = format!(
        "# What the programs of {app} find in their environment.\n\
         # Written from mainstay.toml; values of secrets are set with `mainstay secret set NAME`.\n"
    );
    for (name, variable) in collect(manifest) {
        text.push('\n');
        if let Some(doc) = &variable.doc {
            let _infallible = writeln!(text, "# {}", doc.replace('\n', " "));
        }
        let _infallible =
            writeln!(text, "# {}; used by {}", variable.source, variable.users.join(", "));
        if let Some(expected) = &variable.expected {
            let _infallible = writeln!(text, "# must be: {expected}");
        }
        let value = variable.value.as_deref().map(quoted).unwrap_or_default();
        let _infallible = writeln!(text, "{name}={value}");
    }
    text
}

/// The reference of the same variables, as Markdown.
#[must_use]
pub fn variables(manifest: &Manifest) -> String {
    let mut page = format!(
        "# Variables of {}\n\n| variable | holds | must be | used by |\n|---|---|---|---|\n",
        manifest.app.value
    );
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for (name, variable) in collect(manifest) {
        let mut holds = variable.source.clone();
        if let Some(value) = &variable.value {
            let _infallible = write!(holds, " `{value}`");
        }
        if let Some(doc) = &variable.doc {
            let _infallible = write!(holds, ": {doc}");
        }
        let expected = variable.expected.as_deref().map(|expected| format!("`{expected}`"));
        let _infallible = writeln!(
            page,
            "| `{name}` | {} | {} | {} |",
            cell(&holds),
            cell(&expected.unwrap_or_default()),
            variable.users.join(", ")
        );
    }
    page
}

/// A value as shells and most readers of such files take it.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

fn collect(manifest: &Manifest) -> BTreeMap<String, Variable> {
    let mut all: BTreeMap<String, Variable> = BTreeMap::new();
    let services = manifest.services.iter().map(|s| (&s.name, &s.env, &s.secrets));
    let jobs = manifest.jobs.iter().map(|job| (&job.name, &job.env, &job.secrets));
    for (user, env, secrets) in services.chain(jobs) {
        for (name, value) in env {
            let variable = used(&mut all, name, user);
            match &value.value {
                EnvValue::Text(text) => variable.holds("text", Some(text)),
                EnvValue::Address { section, part: Some(part) } => {
                    variable.holds(&format!("the `{part}` address of `{section}`"), None);
                }
                EnvValue::Address { section, part: None } => {
                    variable.holds(&format!("the address of `{section}`"), None);
                }
                EnvValue::Secret(secret) => {
                    variable.holds(&format!("the secret `{secret}`"), None);
                    variable.doc = doc(manifest, secret);
                }
            }
        }
        for name in secrets {
            let variable = used(&mut all, name, user);
            variable.holds("a secret", None);
            variable.doc = doc(manifest, name);
        }
    }
    for volume in &manifest.volumes {
        let variable = used(&mut all, &volume.variable(), &volume.of);
        variable.holds(&format!("the directory of the volume `{}`", volume.name.value), None);
    }
    for flag in &manifest.flags {
        for service in &manifest.services {
            let variable = used(&mut all, &flag.variable(), &service.name);
            let value = flag.value.to_string();
            variable.holds(&format!("the flag `{}`", flag.name.value), Some(&value));
        }
    }
    for (name, expectation) in manifest.services.iter().flat_map(|service| &service.expects) {
        if let Some(variable) = all.get_mut(&name.value) {
            variable.expected = Some(expectation.to_string());
        }
    }
    all
}

fn used<'a>(all: &'a mut BTreeMap<String, Variable>, name: &str, user: &str) -> &'a mut Variable {
    let variable = all.entry(name.to_owned()).or_default();
    if variable.users.iter().all(|known| known != user) {
        variable.users.push(user.to_owned());
    }
    variable
}

fn doc(manifest: &Manifest, secret: &str) -> Option<String> {
    manifest.secret(secret).and_then(|secret| secret.doc.as_ref()).map(|doc| doc.value.clone())
}
