//! Control against engines that are played: crash at any step, start again, converge.
//!
//! The engines keep what real ones keep when control dies (instances, jobs, files); control keeps
//! its store. A seed decides when it dies, which of its actions were carried out before, and how
//! long everything takes; a failing seed is printed and fails again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, also where a function is not marked as one"
)]

mod engines;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use control::{Action, Input, Planned, Reconciler, Store};
use engines::{Engines, Random};
use plan::{DataDirectory, Installed, Observed, Plan, SourceDigest, UserPlan};

const MANIFEST: &str = r#"
format = 1
app = "shop"

[service.api]
build = { kind = "cargo", path = "api", bin = "api" }
env = { DATABASE_URL = "@db", READ_URL = "@db.replica", CACHE_URL = "@cache" }
secrets = ["KEY"]
scale = { min = 2, max = 2 }

[service.web]
run = "web --serve"
env = { API_URL = "@api" }

[service.worker]
run = "worker"
env = { DATABASE_URL = "@db" }

[database.db]
engine = "postgres"
replicas = 1
migrations = { path = "migrations" }
seed = "seed.sql"

[cache.cache]
engine = "redis"

[secret]
KEY = { generate = "32 bytes" }

[listener.front]
address = "127.0.0.1:8000"

[route.app]
"/" = { to = "web" }
"/api/" = { to = "api" }
"#;

fn plan(digest: &str) -> Plan {
    let (manifest, found) = manifest::parse(MANIFEST, Some("dev"));
    let manifest = Arc::new(manifest.unwrap_or_else(|| panic!("{found:?}")));
    let installed = |major: &str| Installed {
        major: major.into(),
        version: major.into(),
        directory: "/usr/bin".into(),
    };
    let mut observed = Observed {
        sources: BTreeMap::from([
            ("api".into(), SourceDigest { sources: digest.into(), dependencies: String::new() }),
            ("db/migrate".into(), SourceDigest::default()),
        ]),
        data: BTreeMap::from([("db-primary".into(), DataDirectory::default())]),
        ..Observed::default()
    };
    for name in ["cargo", "web", "worker"] {
        observed.machine.programs.insert(name.into(), PathBuf::from("/usr/bin").join(name));
    }
    observed.machine.engines.insert("postgres".into(), vec![installed("15")]);
    observed.machine.engines.insert("redis".into(), vec![installed("7")]);
    observed.users.root = true;
    observed.users.services = Some(UserPlan { name: "nobody".into(), uid: 65_534, gid: 65_534 });
    observed.paths.state = "/state".into();
    observed.paths.project = "/project".into();
    for (number, slot) in (20_000..).zip(plan::slots(&manifest)) {
        observed.ports.insert(slot.name, number);
    }
    let (plan, found) = plan::resolve(&manifest, &observed);
    plan.unwrap_or_else(|| panic!("{found:?}"))
}

/// The program that the api is built to, of sources with this digest.
fn program(digest: &str) -> PathBuf {
    let of_api = |unit: &plan::UnitPlan| match &unit.work {
        plan::Work::Run { instances } if unit.id == "api" => {
            Some(instances.first().unwrap().command.program.clone())
        }
        _ => None,
    };
    plan(digest).units.iter().find_map(of_api).unwrap()
}

fn planned(digest: &str) -> Input {
    Input::Planned(Box::new(Planned {
        plan: plan(digest),
        secrets: BTreeMap::new(),
        unmet: BTreeMap::new(),
        redo: false,
    }))
}

/// A control that lives until it is made to die, and the world that outlives it.
struct Simulation {
    engines: Engines,
    store: Store,
    control: Reconciler,
    random: Random,
    digest: &'static str,
    deaths: u32,
}

impl Simulation {
    fn new(seed: u64, store: Store) -> Self {
        let engines = Engines::default();
        let control = Reconciler::new(store.clone(), engines.world()).unwrap();
        let mut simulation =
            Self { engines, store, control, random: Random::new(seed), digest: "one", deaths: 0 };
        simulation.connect();
        simulation
    }

    fn connect(&mut self) {
        let status = Box::new(self.engines.status());
        self.feed(Input::Connected(status));
        self.feed(planned(self.digest));
        self.feed(Input::GatewayConnected);
    }

    /// Gives control one input; it may die before, in the middle of, or after its actions.
    fn feed(&mut self, input: Input) {
        let actions = self.control.handle(input).unwrap();
        let survives = self.deaths == 0 || self.random.below(12) != 0;
        let carried_out =
            if survives { actions.len() } else { self.random.below(actions.len() + 1) };
        for action in actions.into_iter().take(carried_out) {
            self.engines.carry_out(action);
        }
        if !survives {
            self.deaths -= 1;
            self.control = Reconciler::new(self.store.clone(), self.engines.world()).unwrap();
            self.engines.forget_control();
            self.connect();
        }
    }

    /// Lets the world go on until nothing more happens.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            for input in self.engines.advance(&mut self.random) {
                self.feed(input);
            }
            self.engines.check_laws();
            let status = Box::new(self.engines.status());
            self.feed(Input::Status(status));
        }
    }

    fn check_converged(&self) {
        let wanted: BTreeSet<String> =
            ["api-1", "api-2", "web-1", "worker-1", "db-primary", "db-replica-1", "cache-primary"]
                .map(str::to_owned)
                .into();
        assert_eq!(self.engines.ready(), wanted);
        assert_eq!(self.engines.served_endpoints("api"), 2);
        assert_eq!(self.engines.served_endpoints("web"), 1);
        assert_eq!(self.engines.program("api-1"), program(self.digest), "the newest sources run");
    }
}

fn check(seed: u64, deaths: u32) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("control.db")).unwrap();
    let mut simulation = Simulation::new(seed, store);
    simulation.deaths = deaths;
    simulation.settle();
    simulation.check_converged();
    // The sources change while it runs, and control dies again.
    simulation.digest = "two";
    simulation.deaths = deaths;
    simulation.feed(planned("two"));
    simulation.settle();
    simulation.check_converged();
}

#[test]
fn without_a_death_it_comes_up() {
    check(1, 0);
}

#[test]
fn it_converges_wherever_control_dies() {
    for seed in 0..60 {
        let outcome = std::panic::catch_unwind(|| check(seed, 8));
        assert!(outcome.is_ok(), "seed {seed} does not converge");
    }
}

#[test]
fn a_failed_build_leaves_the_old_version_serving() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("control.db")).unwrap();
    let mut simulation = Simulation::new(7, store);
    simulation.settle();
    simulation.engines.fail_builds = true;
    simulation.feed(planned("two"));
    simulation.settle();
    assert_eq!(simulation.engines.served_endpoints("api"), 2);
    assert_eq!(simulation.engines.program("api-1"), program("one"), "what ran goes on");
    simulation.engines.fail_builds = false;
    simulation.digest = "three";
    simulation.feed(planned("three"));
    simulation.settle();
    simulation.check_converged();
}

#[test]
fn the_order_of_start_follows_the_references() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("control.db")).unwrap();
    let mut simulation = Simulation::new(3, store);
    simulation.settle();
    let started = &simulation.engines.started;
    let position = |id: &str| started.iter().position(|one| one == id).unwrap();
    assert!(position("db/init") < position("db-primary"));
    assert!(position("db-primary") < position("db-replica-1/clone"));
    assert!(position("db-primary") < position("db/migrate"));
    assert!(position("db/migrate") < position("db/seed"));
    assert!(position("db/seed") < position("api-1"));
    assert!(position("db-replica-1") < position("api-1"));
    assert!(position("cache-primary") < position("api-1"));
    assert!(position("api-1") < position("web-1"));
}

/// What the engines do with an action that is not theirs.
fn ignored(action: &Action) -> bool {
    matches!(action, Action::Emit(_) | Action::Flags(_) | Action::Watch(_) | Action::Reply(..))
}
