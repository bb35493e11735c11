//! `init` on directories as people have them: what it writes passes `check`, says where it comes
//! from, and holds no secret's value.

use crate::stage::{Answer, Stage};

/// Writes the files, runs `init`, and has the result checked.
#[track_caller]
fn check(files: &[(&str, &str)], wanted: &[&str], unwanted: &[&str]) -> (Stage, Answer) {
    let stage = Stage::new();
    for (name, content) in files {
        stage.write(name, content);
    }
    let answer = stage.run(&["init", "--app", "shop"]);
    answer.expect(0);
    let text = stage.read("mainstay.toml");
    for line in wanted {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
    for line in unwanted {
        assert!(!text.contains(line), "{line:?} in:\n{text}");
    }
    stage.run(&["check", "--file-only"]).expect(0);
    (stage, answer)
}

const CARGO: &str = "[package]\nname = \"shop-api\"\n[dependencies]\naxum = \"0.8\"\n";
const NEXT: &str = r#"{"name":"web","scripts":{"dev":"next dev","build":"next build"},"dependencies":{"next":"15"}}"#;

#[test]
fn an_empty_directory_gives_a_manifest_that_says_what_a_service_is() {
    check(&[], &["# [service.api]"], &["[listener"]);
}

#[test]
fn a_cargo_package_becomes_a_service_with_a_route() {
    check(
        &[("Cargo.toml", CARGO), ("src/main.rs", "fn main() { route(\"/health\") }")],
        &[
            "kind = \"cargo\", bin = \"shop-api\"",
            "\"/\" = { to = \"shop-api\" }",
            "readiness = \"/health\"",
        ],
        &["path ="],
    );
}

#[test]
fn a_library_is_no_service() {
    check(&[("Cargo.toml", CARGO), ("src/lib.rs", "")], &["# [service.api]"], &["\n[service."]);
}

#[test]
fn members_of_a_workspace_are_built_in_the_workspace() {
    check(
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("crates/api/Cargo.toml", CARGO),
            ("crates/api/src/main.rs", ""),
            ("crates/worker/Cargo.toml", "[package]\nname = \"worker\"\n"),
            ("crates/worker/src/bin/consume.rs", ""),
            ("crates/lib/Cargo.toml", "[package]\nname = \"lib\"\n"),
            ("crates/lib/src/lib.rs", ""),
            ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
            ("xtask/src/main.rs", ""),
        ],
        &[
            "[service.api]\nbuild   = { kind = \"cargo\", bin = \"shop-api\" }",
            "[service.worker]\nbuild   = { kind = \"cargo\", bin = \"consume\", package = \"worker\" }",
            "a worker",
        ],
        &["service.lib", "xtask"],
    );
}

#[test]
fn a_front_end_takes_the_root_and_the_api_its_prefix() {
    check(
        &[
            ("api/Cargo.toml", CARGO),
            ("api/src/main.rs", ".nest(\"/api\")"),
            ("web/package.json", NEXT),
            ("web/src/lib.ts", "process.env.API_URL"),
        ],
        &[
            "path = \"api\", bin = \"shop-api\"",
            "kind = \"nextjs\", path = \"web\"",
            "\"/\" = { to = \"web\" }",
            "\"/api/\" = { to = \"api\" }",
            "API_URL = \"@api\"",
            "standalone",
        ],
        &["strip"],
    );
}

#[test]
fn an_npm_service_needs_a_start_script() {
    check(
        &[
            (
                "a/package.json",
                r#"{"name":"a","scripts":{"start":"node .","build":"tsc"},"dependencies":{"express":"5"}}"#,
            ),
            ("b/package.json", r#"{"name":"b","scripts":{"test":"x"}}"#),
            ("c/package.json", "{"),
        ],
        &[
            "kind = \"npm\", path = \"a\", build = \"build\"",
            "b/package.json has no `start`",
            "c/package.json is not valid JSON",
        ],
        &["[service.b]"],
    );
}

#[test]
fn a_maven_project_with_a_runnable_jar_becomes_a_service() {
    let pom = "<project><artifactId>orders</artifactId><version>1.2</version><dependencies><dependency>\
               <artifactId>spring-boot-starter-web</artifactId></dependency></dependencies><build><plugins>\
               <plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>";
    check(
        &[("pom.xml", pom)],
        &["kind = \"maven\", jar = \"target/orders-1.2.jar\"", "[service.orders]"],
        &[],
    );
}

#[test]
fn a_dockerfile_is_tried_when_nothing_else_says_how() {
    check(
        &[
            ("job/Dockerfile", "FROM alpine\nEXPOSE 80\nCMD [\"sh\", \"run.sh\"]\n"),
            ("odd/Dockerfile", "FROM scratch\nENTRYPOINT [\"/no-such-binary\"]\n"),
            ("api/Cargo.toml", CARGO),
            ("api/src/main.rs", ""),
            ("api/Dockerfile", "FROM x\nCMD [\"/api\"]\n"),
        ],
        &["run     = \"sh run.sh\"\ndir     = \"job\"", "odd/Dockerfile runs `/no-such-binary`"],
        &["[service.odd]"],
    );
}

const COMPOSE: &str = "
services:
  db:
    image: postgres:15-alpine
    environment:
      POSTGRES_PASSWORD: topsecretpassword
      POSTGRES_DB: orders
      POSTGRES_USER: orders_app
  cache:
    image: docker.io/library/redis:7
  mail:
    image: mailhog/mailhog
  api:
    build: ./api
    ports: [\"9000:8080\"]
    environment:
      - DATABASE_URL=postgres://orders_app:topsecretpassword@db:5432/orders
      - REDIS_URL=redis://cache:6379
      - LOG_LEVEL=debug
      - SESSION_SECRET=averysecretvalue
      - SMTP_TOKEN=${SMTP_TOKEN}
";

#[test]
fn compose_files_give_databases_variables_and_the_port() {
    let (_stage, answer) = check(
        &[("compose.yaml", COMPOSE), ("api/Cargo.toml", CARGO), ("api/src/main.rs", "")],
        &[
            "[database.db]\nengine = \"postgres\"\ndatabase = \"orders\"\nuser = \"orders_app\"",
            "[cache.cache]\nengine = \"redis\"",
            "\"@db\"",
            "\"@cache\"",
            "\"debug\"",
            "127.0.0.1:9000",
            "\"SESSION_SECRET\"",
            "`mail` of compose.yaml (image `mailhog/mailhog`)",
        ],
        &["topsecret", "averysecret"],
    );
    assert!(!answer.out.contains("averysecret"));
}

const DOTENV: &str = "
# local
export LOG=info
DATABASE_URL=\"postgres://u:p4ssw0rd@localhost:5432/shop\"
JWT_SECRET=abcdefgh
STRIPE_API_KEY=sk_live_12345678
GREETING='$5 off @ noon'
EMPTY=
PORT=3000
UNUSED_THING=1
";

#[test]
fn env_files_are_sorted_into_settings_addresses_and_secrets() {
    let (stage, answer) = check(
        &[("Cargo.toml", CARGO), ("src/main.rs", ""), (".env", DOTENV)],
        &[
            "DATABASE_URL = \"@db\"",
            "engine = \"postgres\"",
            "LOG = \"info\"",
            "GREETING = \"$$5 off @ noon\"",
            "secrets = [\"JWT_SECRET\", \"STRIPE_API_KEY\"]",
        ],
        &["abcdefgh", "sk_live", "p4ssw0rd", "PORT"],
    );
    answer.says("mainstay secret set JWT_SECRET");
    assert!(!stage.path().join("state").exists(), "nothing is stored unasked");
}

#[test]
fn secrets_are_stored_when_asked_for() {
    let stage = Stage::new();
    stage.write("Cargo.toml", CARGO);
    stage.write("src/main.rs", "");
    stage.write(".env", DOTENV);
    stage.run(&["init", "--app", "shop", "--import-secrets"]).expect(0).says("stored 2 secrets");
    stage.run(&["secret", "list"]).expect(0).says("JWT_SECRET\nSTRIPE_API_KEY");
}

#[test]
fn a_variable_of_the_project_goes_to_whoever_mentions_it() {
    check(
        &[
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("a/src/main.rs", "var(\"ALPHA\")"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n"),
            ("b/src/main.rs", "var(\"BETA\")"),
            (".env", "ALPHA=1\nBETA=2\nGAMMA=3\n"),
        ],
        &[
            "env     = { ALPHA = \"1\" }",
            "env     = { BETA = \"2\" }",
            "`GAMMA` of .env is used by no service",
        ],
        &[],
    );
}

#[test]
fn secrets_that_only_we_need_to_know_are_generated() {
    check(
        &[
            ("Cargo.toml", CARGO),
            ("src/main.rs", ""),
            (".env.example", "JWT_SECRET=change-me\nSMTP_PASSWORD=x\n"),
        ],
        &["JWT_SECRET = { generate = \"32 bytes\" }", "SMTP_PASSWORD = {}"],
        &["change-me"],
    );
}

#[test]
fn migrations_are_found() {
    check(
        &[
            ("api/Cargo.toml", "[package]\nname = \"api\"\n[dependencies]\nsqlx = \"1\"\n"),
            ("api/src/main.rs", "env(\"DATABASE_URL\")"),
            ("api/migrations/001_first.up.sql", ""),
            ("api/migrations/001_first.down.sql", ""),
        ],
        &["migrations = { path = \"api/migrations\" }", "DATABASE_URL = \"@db\""],
        &[],
    );
}

#[test]
fn odd_names_still_give_a_valid_manifest() {
    check(
        &[
            ("My App/Cargo.toml", "[package]\nname = \"My_App\"\n"),
            ("My App/src/main.rs", ""),
            ("my-app/Cargo.toml", "[package]\nname = \"my-app\"\n"),
            ("my-app/src/main.rs", ""),
            ("日本/package.json", r#"{"scripts":{"start":"x"}}"#),
            ("compose.yaml", "services:\n  \"db\\u0007\": {image: postgres}\n  ? x\n"),
        ],
        &["[service.my-app]", "[service.my-app-2]"],
        &[],
    );
}

#[test]
fn an_existing_manifest_is_never_touched() {
    let stage = Stage::with("mine");
    stage.run(&["init"]).expect(12).says("left as it is");
    assert_eq!(stage.read("mainstay.toml"), "mine");
    stage.run(&["init", "--print"]).expect(0).says("format = 1");
    assert_eq!(stage.read("mainstay.toml"), "mine");
}

#[test]
fn the_result_is_json_when_asked_for() {
    let stage = Stage::new();
    stage.write("Cargo.toml", CARGO);
    stage.write("src/main.rs", "");
    let value = stage.run(&["init", "--json"]).expect(0).json();
    assert_eq!(value["services"], serde_json::json!(["shop-api"]));
    stage.run(&["init", "--app", "Not A Name", "--print"]).expect(2).says("not-a-name");
}
