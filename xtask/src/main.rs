//! Everything about this repository that is not the product: `cargo xtask help` lists it.
//!
//! Std only, so that it compiles in about a second on a machine that has compiled nothing yet.
//! What needs a library belongs into a crate or a script.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to whoever typed it")]
#![expect(
    clippy::disallowed_methods,
    reason = "the rules about clocks and files are the product's"
)]

mod arguments;
mod bench;
mod bless;
mod console;
mod demo;
mod e2e;
mod example;
mod fuzz;
mod install;
mod needs;
mod programs;
mod suite;
mod tally;
#[cfg(test)]
mod tidy;

use std::process::ExitCode;

use arguments::Arguments;

/// What went wrong, as a fragment that fits after `error: `.
type Result<T = ()> = std::result::Result<T, String>;

const HELP: &str = "\
cargo xtask <command>

  demo [--yes]            bring the example application up; Ctrl-C takes everything down
  test [--yes] [STAGE]    install what tests need, then run every test (or one stage)
  doctor [--yes]          what this machine lacks, and installing it
  console                 build the web console (the binary embeds it)
  bless                   write docs/reference anew from the code
  bench [NAME]            measure; without a name, list what can be measured
  fuzz [TARGET] [--seconds N]
                          look for input that breaks a parser; without a target, list them

  --yes, -y               install missing packages without asking
";

fn main() -> ExitCode {
    let mut arguments = Arguments::new(std::env::args().skip(1));
    match dispatch(&mut arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &mut Arguments) -> Result<ExitCode> {
    let Some(command) = arguments.next_name() else {
        print!("{HELP}");
        return Ok(ExitCode::from(2));
    };
    let done = |()| ExitCode::SUCCESS;
    match command.as_str() {
        "bench" => bench::run(arguments).map(done),
        "bless" => bless::run(arguments).map(done),
        "console" => console::run(arguments).map(done),
        "demo" => demo::run(arguments),
        "doctor" => needs::doctor(arguments),
        "fuzz" => fuzz::run(arguments).map(done),
        "test" => suite::run(arguments),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => {
            eprintln!("error: no command `{other}`\n");
            eprint!("{HELP}");
            Ok(ExitCode::from(2))
        }
    }
}
