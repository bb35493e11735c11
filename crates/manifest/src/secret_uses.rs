//! Which secrets a manifest needs, wherever they are named.

use base::{Span, Spanned};

use crate::database::Repository;
use crate::env_value::EnvValue;
use crate::manifest::Manifest;
use crate::names;
use crate::tree::{Node, Value};

impl Manifest {
    /// The name of every secret that something needs, each time it is named, in no order.
    #[must_use]
    pub fn secret_uses(&self) -> Vec<Spanned<String>> {
        let mut uses = Vec::new();
        let services = self.services.iter().map(|service| (&service.env, &service.secrets));
        let jobs = self.jobs.iter().map(|job| (&job.env, &job.secrets));
        for (env, secrets) in services.chain(jobs) {
            uses.extend(secrets.iter().cloned());
            for (_, value) in env {
                if let EnvValue::Secret(name) = &value.value {
                    uses.push(Spanned::new(name.clone(), value.span));
                }
            }
        }
        for database in &self.databases {
            uses.extend(database.url.clone());
            if let Some(backup) = &database.backup
                && let Repository::Secret(name) = &backup.to.value
            {
                uses.push(Spanned::new(name.clone(), backup.to.span));
            }
        }
        for notifier in &self.notifiers {
            in_tree(&notifier.table.node, &mut uses);
        }
        uses
    }

    /// Where a secret is named first.
    #[must_use]
    pub fn secret_use(&self, name: &str) -> Option<Span> {
        self.secret_uses().iter().filter(|used| used.value == name).map(|used| used.span).min()
    }
}

/// Secrets among the keys of a kind, which are not parsed here.
fn in_tree(node: &Node, uses: &mut Vec<Spanned<String>>) {
    match &node.value {
        Value::Text(text) => {
            let name = text.strip_prefix('$').filter(|name| names::is_variable(name));
            uses.extend(name.map(|name| Spanned::new(name.to_owned(), node.span)));
        }
        Value::List(items) => items.iter().for_each(|item| in_tree(item, uses)),
        Value::Table(table) => table.iter().for_each(|(_, node)| in_tree(node, uses)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Moment(_) => {}
    }
}
