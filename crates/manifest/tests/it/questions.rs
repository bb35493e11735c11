//! Questions about a manifest that is right.

use std::fmt::Write as _;

use manifest::{AnswerOrigin, Document, Field, KindSchema, Syntax};

use crate::{COMPLETE, render};

#[test]
fn a_complete_manifest_is_read_in_every_environment() {
    for environment in [None, Some("dev"), Some("staging"), Some("production")] {
        let (manifest, diagnostics) = manifest::parse(COMPLETE, environment);
        assert_eq!(render(&diagnostics, COMPLETE), "");
        assert!(manifest.is_some());
    }
}

#[test]
fn an_environment_changes_what_it_names_and_nothing_else() {
    let read = |environment: &str| manifest::parse(COMPLETE, Some(environment)).0.unwrap();
    let (dev, production) = (read("dev"), read("production"));
    let host = |manifest: &manifest::Manifest| {
        manifest.route("app").unwrap().host.as_ref().unwrap().value.clone()
    };
    assert_eq!(host(&dev), "reconciliation.localhost");
    assert_eq!(host(&production), "reconciliation.example.com");
    assert_eq!(dev.route("app").unwrap().paths, production.route("app").unwrap().paths);
    assert!(dev.watch.value && !production.watch.value);
    assert!(dev.alerts.is_empty() && dev.notifiers.is_empty());
    assert_eq!(production.notifiers.len(), 2);
    assert_eq!(production.listener("web").unwrap().address.to_string(), "0.0.0.0:443");
}

#[test]
fn a_star_means_every_name_and_a_name_wins_over_it() {
    let text = "format = 1\napp = \"shop\"\n[service.api]\nrun = \"a\"\n[service.web]\nrun = \
        \"b\"\n\
        [flags]\nnew = false\nold = 3\n\
        [env.dev]\nservice.\"*\" = { drain = \"1s\", user = \"me\" }\nservice.web.drain = \"2s\"\n\
        flags.\"*\" = true\n[env.bare]\ndrop = [\"flags.*\", \"service.web\"]\n";
    let (dev, diagnostics) = manifest::parse(text, Some("dev"));
    assert_eq!(render(&diagnostics, text), "");
    let dev = dev.unwrap();
    let drains: Vec<_> = dev.services.iter().map(|s| s.drain.value.as_secs()).collect();
    assert_eq!(drains, [1, 2]);
    assert!(dev.services.iter().all(|service| service.user.as_ref().unwrap().value == "me"));
    assert!(dev.flags.iter().all(|flag| flag.value.value == manifest::FlagValue::Boolean(true)));
    let bare = manifest::parse(text, Some("bare")).0.unwrap();
    assert!(bare.flags.is_empty() && bare.service("web").is_none());
}

#[test]
fn an_environment_that_is_not_declared_is_named_unless_it_is_dev() {
    let text = "format = 1\napp = \"shop\"\n[env.production]\nwatch = false\n";
    assert_eq!(manifest::parse(text, Some("dev")).0.unwrap().environment, "dev");
    assert_eq!(manifest::parse(text, None).0.unwrap().environment, "base");
    let (none, diagnostics) = manifest::parse(text, Some("prodcution"));
    assert!(none.is_none());
    assert_eq!(
        render(&diagnostics, text),
        "error: there is no environment `prodcution`\n  = help: did you mean `production`?\n\n"
    );
}

#[test]
fn a_draft_is_there_in_spite_of_mistakes_unless_the_text_is_broken() {
    let wrong = "format = 1\napp = \"shop\"\n[service.api]\nrun = 5\nbuild = { kind = \"x\" }\n";
    let document = Document::parse(wrong);
    assert!(document.resolve(None).0.is_none());
    assert_eq!(document.draft(None).unwrap().services.len(), 1);
    for broken in ["", "# nothing", "a = ", "a = 1\na = 2"] {
        let document = Document::parse(broken);
        assert!(!document.is_readable() && document.draft(None).is_none(), "{broken}");
    }
}

#[test]
fn why_names_what_decided() {
    let document = Document::parse(COMPLETE);
    let check = |path: &str, environment: &str, value: Option<&str>, origin: AnswerOrigin| {
        let answer = document.why(path, Some(environment)).unwrap();
        assert_eq!((answer.value.as_deref(), answer.origin), (value, origin), "{path}");
    };
    let environment = |name: &str| AnswerOrigin::Environment(name.to_owned());
    check("service.api.drain", "dev", Some("\"40s\""), AnswerOrigin::Base);
    check("service.web.drain", "dev", Some("\"10s\""), AnswerOrigin::Default);
    check("service.web.port", "dev", None, AnswerOrigin::Default);
    check("route.app.host", "dev", Some("\"reconciliation.localhost\""), environment("dev"));
    check("route.app.\"/api/\".timeout", "dev", Some("\"30s\""), AnswerOrigin::Base);
    check("route.app./.timeout", "dev", Some("\"60s\""), AnswerOrigin::Default);
    check("database.db.migrations.undo", "dev", Some("\"required\""), AnswerOrigin::Base);
    check("driver", "production", Some("\"kubernetes\""), environment("production"));
    check("driver", "elsewhere", Some("\"process\""), AnswerOrigin::Default);
    check("telemetry.keep", "dev", Some("\"30d\""), AnswerOrigin::Default);
}

#[test]
fn why_of_a_path_that_cannot_exist_names_the_nearest() {
    let document = Document::parse(COMPLETE);
    let check = |path: &str, message: &str, help: &str| {
        let diagnostic = document.why(path, Some("dev")).unwrap_err();
        assert_eq!(diagnostic.message, message);
        assert_eq!(diagnostic.help.as_deref(), Some(help));
    };
    check("service.api.drian", "there is no `drian` in `service.api`", "did you mean `drain`?");
    check("service.apo.drain", "there is no `apo` in `service`", "did you mean `api`?");
    check("sevice", "there is no `sevice`", "did you mean `service`?");
    check("app.x", "there is no `x` in `app`", "nothing can be written there");
    check(
        "",
        "there is no ``",
        "write one of the 22 that exist, such as `format`, `app`, `driver`, `watch`, `context` \
            or `approve`",
    );
}

#[test]
fn diff_shows_values_and_defaults_that_differ() {
    let document = Document::parse(COMPLETE);
    let mut lines = String::new();
    for difference in document.diff(Some("dev"), Some("staging")) {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let (a, b) = (shown(difference.a), shown(difference.b));
        writeln!(lines, "{} {a} {b}", difference.path).unwrap();
    }
    insta::assert_snapshot!(lines, @r#"
    route.app.host "reconciliation.localhost" "staging.example.com"
    release.strategy "restart" "canary"
    driver "process" "docker"
    watch true false
    alert.page.burn - "fast"
    alert.page.notify - ["pager"]
    alert.ticket.burn - "slow"
    alert.ticket.notify - ["team"]
    notify.pager.kind - "pagerduty"
    notify.pager.key - "$PAGERDUTY_KEY"
    notify.team.kind - "slack"
    notify.team.url - "$SLACK_WEBHOOK"
    "#);
    assert_eq!(document.diff(Some("dev"), Some("dev")), []);
}

#[test]
fn variables_are_written_for_people() {
    let text = "format = 1\napp = \"shop\"\n\
        [service.api]\nrun = \"a\"\nenv = { DATABASE_URL = \"@db\", LOG = \"a b\" }\n\
        secrets = [\"JWT_SECRET\"]\nexpects = { JWT_SECRET = \"text min 32\" }\n\
        [service.web]\nrun = \"b\"\nenv = { API_URL = \"@api\", TOKEN = \"$JWT_SECRET\", LOG = \"b\" }\n\
        [database.db]\nengine = \"postgres\"\n[flags]\nnew-look = true\n\
        [volume.files]\nof = \"api\"\n\
        [secret]\nJWT_SECRET = { doc = \"Signs tokens\" }\n";
    let manifest = manifest::parse(text, None).0.unwrap();
    insta::assert_snapshot!("env-example", manifest::env_example(&manifest));
    insta::assert_snapshot!("variables", manifest::variables(&manifest));
}

const OWN: &[Field] = &[Field::new("path", Syntax::Path, "Where it is.").example("\"api\"")];
const KINDS: &[KindSchema] = &[KindSchema {
    section: "build",
    key: "kind",
    name: "cargo",
    about: "A Rust package.",
    fields: OWN,
}];

#[test]
fn the_schema_knows_sections_kinds_and_environments() {
    let schema = manifest::schema(KINDS);
    let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("nothing at {path}"));
    let name = "/patternProperties/^[a-z][a-z0-9-]{0,39}$";
    assert_eq!(at("/properties/format/const"), 1);
    assert_eq!(at("/required"), &serde_json::json!(["format", "app"]));
    let service = format!("/properties/service{name}/properties");
    assert_eq!(at(&format!("{service}/drain/default")), "10s");
    assert_eq!(
        at(&format!("{service}/build/allOf/0/then/properties/path/description")),
        "Where it is."
    );
    let environment = format!("/properties/env{name}/properties");
    assert!(schema.pointer(&format!("{environment}/app")).is_none());
    let overlay = at(&format!("{environment}/database{name}"));
    assert!(overlay.get("required").is_none());
}

#[test]
fn every_field_has_an_example_that_is_toml() {
    fn check(fields: &[Field]) {
        for field in fields {
            assert!(!field.about.is_empty() && field.about.ends_with('.'), "{}", field.name);
            for text in field.default.iter().chain([&field.example]) {
                let line = format!("{} = {text}\n", field.name);
                let parsed = Document::parse(&line).resolve(None).1;
                let broken = |code: &str| matches!(code, "syntax" | "duplicate-key");
                assert!(parsed.iter().all(|d| !broken(d.code)), "{line}");
            }
            if let Syntax::Table(below) | Syntax::Kind(below) = field.syntax {
                check(below);
            }
        }
    }
    for section in manifest::SECTIONS {
        match section.shape {
            manifest::Shape::Routes(fields, paths) => {
                check(fields);
                check(paths);
            }
            manifest::Shape::Named(fields)
            | manifest::Shape::Single(fields)
            | manifest::Shape::Entries(fields)
            | manifest::Shape::Variables(fields) => check(fields),
            manifest::Shape::Values => {}
        }
    }
}

#[test]
fn the_reference_page_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/manifest.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(page == manifest::reference(), "{path} is old: run `cargo xtask bless`");
}
