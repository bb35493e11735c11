//! The catalogue of databases, caches and queues. An entry describes, in data, how its engine is
//! prepared, run, probed and reached; it executes nothing.

mod postgres;
mod redis;

use std::path::{Path, PathBuf};

use base::{Bytes, Diagnostic, Kind};

use crate::{
    ClientPlan, Installed, InstancePlan, Observed, Reach, SecretPlan, Template, UnitPlan, UserPlan,
};

/// Every engine that can be run here.
pub static ALL: &[Kind<dyn Database>] = &[postgres::KIND, redis::KIND];

/// What Mainstay must know about an engine.
pub trait Database: Sync {
    /// The program whose presence and version tell that the engine is installed.
    fn server(&self) -> Program;

    /// Other programs that it needs or offers, by name, looked up beside the server and in `PATH`.
    fn companions(&self) -> &'static [&'static str];

    /// Reads the major version out of what the server prints of its version.
    fn major<'a>(&self, version: &'a str) -> &'a str;

    /// The major version where the directory of the programs says it, which spares running one.
    fn major_of(&self, directory: &Path) -> Option<String>;

    /// The file in a data directory that tells the major version that wrote it, if it has one.
    fn marker(&self) -> Option<Marker>;

    /// The system account the distribution made for it, used when Mainstay runs as root.
    fn account(&self) -> Option<&'static str>;

    /// What is wrong with the intent, as far as the engine can tell.
    fn check(&self, intent: &manifest::Database) -> Vec<Diagnostic>;

    /// Its instances' ids, the primary's first.
    fn instances(&self, intent: &manifest::Database) -> Vec<String>;

    /// What must be done to have it, each unit after those it needs; the one that runs the primary
    /// has the database's name as its id.
    fn units(&self, context: &Context<'_>) -> Vec<UnitPlan>;

    /// The units that who refers to it, or to a part of it, must wait for.
    fn needed(&self, intent: &manifest::Database, part: Option<&str>) -> Vec<String>;

    /// The secrets it needs.
    fn secrets(&self, intent: &manifest::Database) -> Vec<SecretPlan>;

    /// Where it is reached: the primary, or with `part = Some("replica")` a replica.
    fn url(&self, context: &Context<'_>, part: Option<&str>) -> Template;

    /// How one that is elsewhere is asked whether it is there.
    fn reach(&self) -> Reach;

    /// The parts of its address besides the primary.
    fn parts(&self) -> &'static [&'static str];

    /// The client for `mainstay connect`, of the primary or of a part.
    fn client(&self, context: &Context<'_>, part: Option<&str>) -> Option<ClientPlan>;
}

/// How a server program is found and asked for its version.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Directories besides `PATH`; a `*` stands for one path component.
    pub directories: &'static [&'static str],
    /// The Debian package that has it.
    pub package: &'static str,
}

/// The file in a data directory whose first line is the major version.
#[derive(Clone, Copy, Debug)]
pub struct Marker {
    /// Its name inside the data directory.
    pub file: &'static str,
}

/// What an entry is given to describe one database.
#[derive(Debug)]
pub struct Context<'a> {
    /// The application's name.
    pub app: &'a str,
    /// What the user wrote.
    pub intent: &'a manifest::Database,
    /// What was seen.
    pub observed: &'a Observed,
    /// The installed version to use.
    pub installed: &'a Installed,
    /// Who runs it.
    pub user: Option<UserPlan>,
}

impl Context<'_> {
    fn name(&self) -> &str {
        &self.intent.name
    }

    fn program(&self, name: &str) -> PathBuf {
        self.installed.directory.join(name)
    }

    fn data(&self, instance: &str) -> PathBuf {
        data_directory(&self.observed.paths.state, instance)
    }

    fn port(&self, instance: &str) -> u16 {
        self.observed.ports.get(instance).copied().unwrap_or_default()
    }

    fn memory(&self) -> Option<Bytes> {
        self.intent.memory.as_ref().map(|memory| memory.value)
    }
}

/// Where an instance's data is.
#[must_use]
pub fn data_directory(state: &Path, instance: &str) -> PathBuf {
    state.join("data").join(instance).join("data")
}

/// The name of the secret that holds a database's password for one of its roles.
fn password(database: &str, role: &str) -> String {
    format!("{database}.{role}")
}

fn unit_of_instance(id: &str, node: &str, needs: Vec<String>, instance: InstancePlan) -> UnitPlan {
    UnitPlan {
        id: id.to_owned(),
        node: node.to_owned(),
        activity: "starting".to_owned(),
        needs,
        work: crate::Work::Run { instances: vec![instance] },
    }
}
