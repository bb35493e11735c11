//! What a machine must have for the demo, the tests and the benchmarks, and whether it has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::{Result, install, programs};

/// One thing a machine must have.
pub(crate) struct Need {
    /// What people call it.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) why: &'static str,
    /// The programs that it consists of; in each group, any one will do.
    programs: &'static [&'static [&'static str]],
    /// The packages that contain it, as Debian and Ubuntu call them; none: it is never installed
    /// by us, because a version from a distribution would be the wrong one.
    pub(crate) packages: &'static [&'static str],
    /// The services that the packages would leave behind.
    pub(crate) services: &'static [&'static str],
}

const CARGO: Need = Need {
    name: "Rust",
    why: "compiles Mainstay and the example's API",
    programs: &[&["cargo"], &["rustc"]],
    packages: &[],
    services: &[],
};

const NODE: Need = Need {
    name: "Node.js",
    why: "builds the console and the example's web front end",
    programs: &[&["node"], &["npm"]],
    packages: &[],
    services: &[],
};

const GIT: Need = Need {
    name: "git",
    why: "tells which files belong to the repository",
    programs: &[&["git"]],
    packages: &["git"],
    services: &[],
};

const COMPILER: Need = Need {
    name: "C compiler",
    why: "compiles SQLite, and links",
    programs: &[&["cc", "gcc", "clang"]],
    packages: &["gcc", "libc6-dev"],
    services: &[],
};

const POSTGRES: Need = Need {
    name: "PostgreSQL",
    why: "the example's database, a primary and a replica",
    programs: &[&["postgres"], &["initdb"], &["pg_basebackup"], &["psql"]],
    packages: &["postgresql", "postgresql-client"],
    services: &["postgresql"],
};

const REDIS: Need = Need {
    name: "Redis",
    why: "the example's cache",
    programs: &[&["redis-server"], &["redis-cli"]],
    packages: &["redis-server"],
    services: &["redis-server"],
};

const CHROMIUM: Need = Need {
    name: "Chromium",
    why: "tests of the console and of the example use a real browser",
    programs: &[&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]],
    packages: &["chromium"],
    services: &[],
};

const NGINX: Need = Need {
    name: "nginx",
    why: "what the gateway is measured against",
    programs: &[&["nginx"]],
    packages: &["nginx"],
    services: &["nginx"],
};

const WRK: Need = Need {
    name: "wrk",
    why: "makes the load that gateway and nginx are measured under",
    programs: &[&["wrk"]],
    packages: &["wrk"],
    services: &[],
};

/// What `cargo xtask demo` needs.
pub(crate) const DEMO: &[Need] = &[CARGO, COMPILER, NODE, POSTGRES, REDIS];

/// What `cargo xtask test` needs.
pub(crate) const TESTS: &[Need] = &[CARGO, COMPILER, GIT, NODE, POSTGRES, REDIS, CHROMIUM];

/// What `cargo xtask bench` needs.
pub(crate) const BENCHMARKS: &[Need] = &[CARGO, COMPILER, NODE, POSTGRES, REDIS, NGINX, WRK];

const EVERYTHING: &[Need] = &[CARGO, COMPILER, GIT, NODE, POSTGRES, REDIS, CHROMIUM, NGINX, WRK];

impl Need {
    /// The first of its programs that this machine does not have.
    fn missing(&self) -> Option<&'static str> {
        let directories = unlisted_directories();
        let absent = |group: &&&[&str]| {
            group.iter().all(|name| programs::find(name, &directories).is_none())
        };
        self.programs.iter().find(absent).map(|group| group[0])
    }

    fn place(&self) -> Option<PathBuf> {
        let directories = unlisted_directories();
        self.programs[0].iter().find_map(|name| programs::find(name, &directories))
    }
}

/// Makes sure that everything is there, installing what is not.
pub(crate) fn ensure(needs: &'static [Need], yes: bool) -> Result {
    let missing: Vec<&Need> = needs.iter().filter(|need| need.missing().is_some()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install::offer(&missing, yes)?;
    match missing.iter().find_map(|need| need.missing()) {
        None => Ok(()),
        Some(program) => Err(format!("`{program}` is still missing after the installation")),
    }
}

/// The command `doctor`: shows what is there and what is not, and installs what is not.
pub(crate) fn doctor(arguments: &mut Arguments) -> Result<ExitCode> {
    let yes = arguments.flag(&["--yes", "-y"]);
    arguments.finish()?;
    let mut missing = Vec::new();
    for need in EVERYTHING {
        let Some(program) = need.missing() else {
            let place = need.place().unwrap_or_default();
            println!("  ok       {:<11} {}", need.name, place.display());
            continue;
        };
        println!("  missing  {:<11} no `{program}`; {}", need.name, need.why);
        missing.push(need);
    }
    if missing.is_empty() {
        println!("this machine has everything");
        return Ok(ExitCode::SUCCESS);
    }
    if !yes && !install::on_a_terminal() {
        println!("{}", install::advice(&missing));
        return Ok(ExitCode::FAILURE);
    }
    install::offer(&missing, yes)?;
    Ok(ExitCode::SUCCESS)
}

/// The place of the browser that tests drive.
pub(crate) fn browser() -> Option<PathBuf> {
    CHROMIUM.place()
}

/// Where distributions keep programs that a user's PATH does not name.
fn unlisted_directories() -> Vec<PathBuf> {
    let mut directories = vec![PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    let versions = fs::read_dir(Path::new("/usr/lib/postgresql")).into_iter().flatten().flatten();
    directories.extend(versions.map(|version| version.path().join("bin")));
    directories
}
