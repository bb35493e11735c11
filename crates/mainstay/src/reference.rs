//! The command line as one page of Markdown, made from its own description.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// The page.
pub(crate) fn page(root: &Command) -> String {
    // Building fills in what clap derives: usage lines, values, defaults.
    let mut root = root.clone().term_width(0);
    root.build();
    let mut page = String::from(
        "# The command line\n\nWritten by `mainstay schema cli`; change the code, not this page.\n",
    );
    let about = root.get_about().map(ToString::to_string).unwrap_or_default();
    let _infallible =
        writeln!(page, "\n{about}\n\n## Every command\n\n| command | does |\n|---|---|");
    for command in shown(&root) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let name = command.get_name();
        let _infallible = writeln!(page, "| [`{name}`](#mainstay-{name}) | {about} |");
    }
    page.push_str("\n## Options that every command takes\n\n");
    let globals: Vec<&Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    write_arguments(&mut page, &globals);
    if let Some(after) = root.get_after_help() {
        let _infallible = writeln!(page, "\n{after}");
    }
    for command in shown(&root) {
        write_command(&mut page, command, "mainstay", 2);
    }
    page
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
}

fn write_command(page: &mut String, command: &Command, above: &str, level: usize) {
    let name = format!("{above} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let heading = "#".repeat(level);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _infallible = writeln!(page, "\n{heading} {name}\n\n{about}.\n\n```\n{usage}\n```");
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    if !own.is_empty() {
        page.push('\n');
        write_arguments(page, &own);
    }
    for below in shown(command) {
        write_command(page, below, &name, level + 1);
    }
}

fn write_arguments(page: &mut String, arguments: &[&Arg]) {
    for arg in arguments {
        let values: Vec<String> = arg
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .map(|name| if arg.is_positional() { format!("[{name}]") } else { name.to_string() })
            .collect();
        let short = arg.get_short().map(|short| format!("-{short}"));
        let long = arg.get_long().map(|long| format!("--{long}"));
        let mut names: Vec<String> = short.into_iter().chain(long).collect();
        if arg.get_action().takes_values() {
            if names.is_empty() {
                names.push(values.join(" "));
            } else if let Some(last) = names.last_mut() {
                last.push(' ');
                last.push_str(&values.join(" "));
            }
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _infallible = write!(page, "- `{}`: {help}", names.join(", "));
        let possible: Vec<String> = arg
            .get_possible_values()
            .iter()
            .filter(|_| arg.get_action().takes_values())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !possible.is_empty() {
            let _infallible = write!(page, " ({})", possible.join(", "));
        }
        page.push('\n');
    }
}
