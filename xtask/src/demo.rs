//! The first command that a stranger types: the example application, up, from nothing.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::arguments::Arguments;
use crate::{Result, console, example, needs, programs};

/// The command `demo`.
pub(crate) fn run(arguments: &mut Arguments) -> Result<ExitCode> {
    let yes = arguments.flag(&["--yes", "-y"]);
    arguments.finish()?;
    println!(
        "Mainstay's demo: the application in {}; Ctrl-C takes everything down",
        example::DIRECTORY
    );
    needs::ensure(needs::DEMO, yes)?;
    console::build()?;
    let binary = binary()?;
    // It takes our place: signals and the terminal are its own, and its exit code is ours.
    let mut up = Command::new(&binary);
    let error = up.arg("up").current_dir(programs::root().join(example::DIRECTORY)).exec();
    Err(format!("`{}` cannot be started: {error}", binary.display()))
}

/// Builds the binary and says where it is.
///
/// The development profile: a stranger waits half as long for it as for a release, and what the
/// demo shows does not depend on the difference. Benchmarks use the release profile.
fn binary() -> Result<PathBuf> {
    println!("mainstay: building");
    programs::run(&mut programs::cargo(&["build", "--package", "mainstay"]))?;
    Ok(programs::target().join("debug/mainstay"))
}
