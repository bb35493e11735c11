//! `check`, `why`, `diff`, `env`, and manifests that are none.

use crate::stage::Stage;

const GOOD: &str = "format = 1\napp = \"shop\"\n\n[service.api]\nrun = \"sleep 9\"\nport = 3000\n\n\
                    [env.production]\nservice.api.drain = \"40s\"\n";

#[test]
fn a_good_manifest_is_summed_up() {
    Stage::with(GOOD).run(&["check"]).expect(0).says("ok: 1 service in `dev`");
}

#[test]
fn every_mistake_is_shown_at_once_with_its_place_and_remedy() {
    let stage = Stage::with(
        "format = 1\napp = \"shop\"\n[service.api]\nrun = \"a\"\ndran = \"5\"\npool = 0\n",
    );
    let answer = stage.run(&["check"]);
    answer
        .expect(65)
        .says("mainstay.toml:5:1")
        .says("mainstay.toml:6:8")
        .says("drain")
        .says("2 errors");
}

#[test]
fn mistakes_are_json_when_asked_for() {
    let stage =
        Stage::with("format = 1\napp = \"shop\"\n[service.api]\nrun = \"a\"\ndran = \"5\"\n");
    let answer = stage.run(&["check", "--json"]);
    let value = answer.expect(65).json();
    assert_eq!(value["ok"], false);
    assert_eq!(value["diagnostics"][0]["code"], "unknown-key");
    assert_eq!(value["diagnostics"][0]["places"][0]["line"], 5);
}

#[test]
fn what_is_no_manifest_is_refused_in_words() {
    let check = |content: &[u8], code: i32, says: &str| {
        let stage = Stage::new();
        stage.write("mainstay.toml", content);
        for command in [&["check"][..], &["why", "app"], &["up"], &["env", "example"]] {
            let answer = stage.run(command);
            answer.expect(code).says(says);
            assert!(!answer.err.contains("panicked"), "{}", answer.err);
        }
    };
    check(b"", 65, "empty");
    check(b"\x7fELF\x02\x01\x01\x00\xff\xfe", 65, "not UTF-8");
    check(b"app = \"a\0b\"\n", 65, "error");
    check(b"= = =\n", 65, "mainstay.toml:1:1");
    check(&vec![b'#'; 10 << 20], 65, "10Mi");
}

#[test]
fn a_missing_or_unreadable_manifest_is_66_and_names_init() {
    let stage = Stage::new();
    stage.run(&["check"]).expect(66).says("mainstay init");
    stage.run(&["check", "-C", "nowhere"]).expect(66).says("nowhere");
    std::fs::create_dir(stage.path().join("mainstay.toml")).unwrap();
    stage.run(&["check"]).expect(66).says("not a file");
}

#[test]
fn a_manifest_above_the_current_directory_is_found() {
    let stage = Stage::with(GOOD);
    std::fs::create_dir_all(stage.path().join("a/b")).unwrap();
    stage.run(&["check", "-C", "a/b"]).expect(0);
}

#[test]
fn what_this_machine_lacks_is_only_asked_where_it_would_run() {
    let manifest = GOOD.replace("sleep 9", "no-such-program-anywhere");
    let stage = Stage::with(
        &manifest.replace("[env.production]", "[env.production]\ndriver = \"kubernetes\""),
    );
    stage.run(&["check"]).expect(65).says("no-such-program-anywhere");
    stage.run(&["check", "--file-only"]).expect(0);
    stage.run(&["check", "--env", "production"]).expect(0);
}

#[test]
fn why_names_the_origin_of_a_value() {
    let stage = Stage::with(GOOD);
    stage.run(&["why", "service.api.port"]).expect(0).says("3000").says("mainstay.toml:6:8");
    stage.run(&["why", "service.api.drain"]).expect(0).says("default");
    let production = stage.run(&["why", "service.api.drain", "--env", "production"]);
    production.expect(0).says("40s").says("env.production");
    let value = stage.run(&["why", "service.api.port", "--json"]).expect(0).json();
    assert_eq!(value["line"], 6);
    stage.run(&["why", "service.api.prot"]).expect(2).says("port");
    stage.run(&["why", "app", "--env", "prodution"]).expect(2).says("production");
}

#[test]
fn diff_shows_both_sides_and_says_no_when_there_are_any() {
    let stage = Stage::with(GOOD);
    stage.run(&["diff", "dev", "production"]).expect(1).says("service.api.drain").says("40s");
    stage.run(&["diff", "base", "dev"]).expect(0).says("the same");
    stage.run(&["diff", "dev", "nowhere"]).expect(2).says("nowhere");
    let value = stage.run(&["diff", "dev", "production", "--json"]).expect(1).json();
    assert_eq!(value["differences"][0]["path"], "service.api.drain");
}

#[test]
fn the_environment_is_chosen_by_flag_before_variable() {
    let stage = Stage::with(GOOD);
    let run = |arguments: &[&str]| {
        let mut command = stage.command(arguments);
        crate::stage::answer(command.env("MAINSTAY_ENV", "production").output().unwrap())
    };
    run(&["why", "service.api.drain"]).expect(0).says("40s");
    run(&["why", "service.api.drain", "--env", "dev"]).expect(0).says("10s");
    stage.run(&["check", "--env", "Not A Name"]).expect(2).says("--env");
}

#[test]
fn variables_are_listed_without_values_of_secrets() {
    let stage = Stage::with(
        &GOOD.replace("port = 3000", "port = 3000\nenv = { LOG = \"info\" }\nsecrets = [\"KEY\"]"),
    );
    stage.run(&["env", "example"]).expect(0).says("KEY=\n").says("LOG=info");
    stage.run(&["env", "reference"]).expect(0).says("KEY");
}
