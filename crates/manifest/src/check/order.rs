//! The order of start: whoever uses an address starts after what it addresses.

use std::collections::HashMap;

use base::{Diagnostic, Span};

use super::{AddressUse, Context, address};

/// A cycle is printed whole, with the place of each of its references.
///
/// Iterative, because a manifest can be a chain of thousands of services.
pub(super) fn there_is_no_cycle(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut finished: HashMap<&str, bool> = HashMap::new();
    for service in &context.manifest.services {
        if finished.contains_key(service.name.as_str()) {
            continue;
        }
        // The way from the first service to the one looked at: name, references left to follow,
        // and the place of the reference that led here.
        let mut way: Vec<(&str, Vec<AddressUse<'_>>, Span)> = Vec::new();
        way.push((&service.name, needs(context, &service.name), service.span));
        finished.insert(&service.name, false);
        while let Some((name, left, _)) = way.last_mut() {
            let Some(next) = left.pop() else {
                finished.insert(name, true);
                way.pop();
                continue;
            };
            match finished.get(next.section) {
                Some(true) => {}
                Some(false) => diagnostics.push(cycle(&way, &next)),
                None => {
                    finished.insert(next.section, false);
                    way.push((next.section, needs(context, next.section), next.span));
                }
            }
        }
    }
}

/// The services that a service addresses, last one first.
fn needs<'a>(context: &Context<'a>, name: &str) -> Vec<AddressUse<'a>> {
    let Some(service) = context.services.get(name) else {
        return Vec::new();
    };
    let mut needs: Vec<AddressUse<'a>> = Vec::new();
    for (_, value) in service.env.iter().rev() {
        let Some(used) = address(&service.name, value) else {
            continue;
        };
        let again = needs.iter().any(|known| known.section == used.section);
        if !again && context.services.contains_key(used.section) {
            needs.push(used);
        }
    }
    needs
}

/// Longer cycles are shortened in the middle.
const MOST_PLACES: usize = 8;

fn cycle(way: &[(&str, Vec<AddressUse<'_>>, Span)], closing: &AddressUse<'_>) -> Diagnostic {
    let start = way.iter().position(|(name, ..)| *name == closing.section).unwrap_or(0);
    let members = way.get(start..).unwrap_or_default();
    let names: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
    let shown = match names.as_slice() {
        [head @ .., last] if MOST_PLACES < names.len() => {
            let head = head.get(..MOST_PLACES - 2).unwrap_or_default();
            format!("{} -> … -> {last}", head.join(" -> "))
        }
        all => all.join(" -> "),
    };
    let message = format!("services need each other in a circle: {shown} -> {}", closing.section);
    let label = |user: &str, needed: &str| format!("`{user}` needs `{needed}`");
    let mut diagnostic =
        Diagnostic::error("cycle", message).at(closing.span, label(closing.user, closing.section));
    for pair in members.windows(2).take(MOST_PLACES) {
        if let [(user, ..), (needed, _, span)] = pair {
            diagnostic = diagnostic.at(*span, label(user, needed));
        }
    }
    let help = if members.len() == 1 {
        "a service knows its own address: it listens on `PORT`; remove the reference"
    } else {
        "none of them can start first: replace one of the addresses by text, such as the URL of \
            a route"
    };
    diagnostic.help(help)
}
