//! Single decisions: versions, users, ports, order, secrets, notices.

use plan::{DataDirectory, InstancePlan, Plan, Work};

use crate::machine;

const DATABASE: &str = "[database.db]\nengine = \"postgres\"\n";

fn instance<'a>(plan: &'a Plan, id: &str) -> &'a InstancePlan {
    let instances = plan.units.iter().filter_map(|unit| match &unit.work {
        Work::Run { instances } => Some(instances),
        _ => None,
    });
    instances.flatten().find(|one| one.id == id).unwrap_or_else(|| panic!("no instance {id}"))
}

fn codes(text: &str) -> Vec<&'static str> {
    let found = machine::resolve(text).map(|_| ()).unwrap_err();
    found.into_iter().map(|one| one.code).collect()
}

#[test]
fn the_newest_installed_version_is_used_unless_one_is_asked_for() {
    let plan = machine::resolve(DATABASE).unwrap();
    assert!(instance(&plan, "db-primary").command.program.starts_with("/pg/16"));
    let plan = machine::resolve(&format!("{DATABASE}version = \"15\"\n")).unwrap();
    assert!(instance(&plan, "db-primary").command.program.starts_with("/pg/15"));
    assert_eq!(codes(&format!("{DATABASE}version = \"14\"\n")), ["version-not-installed"]);
}

#[test]
fn data_is_never_given_to_another_major_version() {
    let manifest = machine::parse(DATABASE);
    let mut observed = machine::observed(&manifest);
    let data = DataDirectory { major: Some("15".into()) };
    observed.data.insert("db-primary".into(), data);
    let (plan, _) = plan::resolve(&manifest, &observed);
    let plan = plan.unwrap();
    assert!(instance(&plan, "db-primary").command.program.starts_with("/pg/15"));
    let manifest = machine::parse(&format!("{DATABASE}version = \"16\"\n"));
    let (plan, found) = plan::resolve(&manifest, &observed);
    assert!(plan.is_none());
    assert_eq!(found.first().unwrap().code, "other-major-version");
}

#[test]
fn a_missing_engine_names_the_package() {
    let manifest = machine::parse(DATABASE);
    let mut observed = machine::observed(&manifest);
    observed.machine.engines.clear();
    let (_, found) = plan::resolve(&manifest, &observed);
    assert_eq!(found.first().unwrap().code, "engine-missing");
    assert!(found.first().unwrap().help.as_ref().unwrap().contains("postgresql"));
}

#[test]
fn databases_run_as_their_account_and_services_as_nobody() {
    let plan = machine::resolve(&format!("{DATABASE}[service.api]\nrun = \"api\"\n")).unwrap();
    let user = |id: &str| instance(&plan, id).command.user.as_ref().unwrap().name.clone();
    assert_eq!(user("db-primary"), "postgres");
    assert_eq!(user("api-1"), "nobody");
}

#[test]
fn an_ordinary_user_changes_nobody() {
    let manifest = machine::parse(&format!("{DATABASE}[service.api]\nrun = \"api\"\n"));
    let mut observed = machine::observed(&manifest);
    observed.users = plan::Users::default();
    let (plan, _) = plan::resolve(&manifest, &observed);
    let plan = plan.unwrap();
    assert!(instance(&plan, "db-primary").command.user.is_none());
    assert!(instance(&plan, "api-1").command.user.is_none());
}

#[test]
fn the_replica_is_the_primary_when_there_is_none() {
    let with = |replicas: u32| {
        let text = format!(
            "{DATABASE}replicas = {replicas}\n[service.api]\nrun = \"api\"\nenv = {{ R = \"@db.replica\", P = \"@db\" }}\n"
        );
        let plan = machine::resolve(&text).unwrap();
        let environment = instance(&plan, "api-1").command.environment.clone();
        (environment["R"].clone(), environment["P"].clone())
    };
    let (replica, primary) = with(0);
    assert_eq!(replica, primary);
    let (replica, primary) = with(1);
    assert_ne!(replica, primary);
}

#[test]
fn what_is_referred_to_stops_after_what_refers_to_it() {
    let text = format!(
        "{DATABASE}[service.web]\nrun = \"web\"\nenv = {{ API = \"@api\" }}\n\
         [service.api]\nrun = \"api\"\nenv = {{ DB = \"@db\" }}\n"
    );
    let plan = machine::resolve(&text).unwrap();
    let tier = |id: &str| instance(&plan, id).tier;
    assert!(tier("db-primary") < tier("api-1"));
    assert!(tier("api-1") < tier("web-1"));
    let url = &instance(&plan, "web-1").command.environment["API"];
    assert!(format!("{url:?}").contains("http://127.0.0.1:"), "{url:?}");
    assert!(plan.listeners.iter().any(|listener| listener.name == "internal:api"));
}

#[test]
fn a_secret_without_a_value_is_a_mistake_unless_it_is_generated() {
    let service = "[service.api]\nrun = \"api\"\nsecrets = [\"KEY\"]\n";
    assert_eq!(codes(service), ["missing-secret"]);
    let generated = format!("{service}[secret]\nKEY = {{ generate = \"32 bytes\" }}\n");
    let plan = machine::resolve(&generated).unwrap();
    assert_eq!(plan.secrets.first().unwrap().generate, Some(32));
}

#[test]
fn flags_are_variables_and_a_file() {
    let text = "[service.api]\nrun = \"api\"\n[flags]\nnew-matcher = true\nlimit = 5\n";
    let plan = machine::resolve(text).unwrap();
    let environment = &instance(&plan, "api-1").command.environment;
    assert_eq!(environment["FLAG_NEW_MATCHER"], plan::Template::text("true"));
    let flags = plan.flags.as_ref().unwrap();
    assert_eq!(
        environment["MAINSTAY_FLAGS_FILE"],
        plan::Template::text(flags.path.to_str().unwrap())
    );
    let parsed: serde_json::Value = serde_json::from_str(&flags.content).unwrap();
    assert_eq!(parsed, serde_json::json!({ "new-matcher": true, "limit": 5 }));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let manifest = machine::parse("[service.api]\nrun = \"no-such-thing\"\n");
    let mut observed = machine::observed(&manifest);
    observed.machine.programs.clear();
    let (_, found) = plan::resolve(&manifest, &observed);
    assert_eq!(found.first().unwrap().code, "program-missing");
}

#[test]
fn kinds_and_engines_that_nobody_knows_are_refused() {
    assert_eq!(codes("[database.db]\nengine = \"oracle\"\n"), ["unknown-engine"]);
    let build = "[service.api]\nbuild = { kind = \"bazel\" }\n";
    assert_eq!(codes(build), ["unknown-build-kind"]);
    let key = "[service.api]\nbuild = { kind = \"cargo\", bin = \"api\", bim = \"x\" }\n";
    assert_eq!(codes(key), ["unknown-key"]);
}

#[test]
fn more_memory_than_the_machine_has_is_a_warning() {
    let text = "[service.api]\nrun = \"api\"\nsize = { memory = \"5Gi\" }\nscale = { min = 2 }\n";
    let manifest = machine::parse(text);
    let (plan, found) = plan::resolve(&manifest, &machine::observed(&manifest));
    assert!(plan.is_some());
    assert_eq!(found.first().unwrap().code, "memory-above-machine");
}

#[test]
fn parts_without_effect_are_named_in_one_line() {
    let text = "[service.api]\nrun = \"api\"\nport = 9001\n[listener.web]\naddress = \"127.0.0.1:8000\"\n\
        [route.app]\n\"/\" = { to = \"api\", limit = \"5/s\" }\n";
    let plan = machine::resolve(text).unwrap();
    assert_eq!(plan.notices, ["checked but without effect yet: limit of routes"]);
}
