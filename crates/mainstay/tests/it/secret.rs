//! Secrets come in by standard input or a file and never go out.

use std::os::unix::fs::PermissionsExt as _;

use crate::stage::Stage;

fn stage() -> Stage {
    Stage::with("format = 1\napp = \"shop\"\n[service.a]\nrun = \"sleep 9\"\nsecrets = [\"KEY\"]\n")
}

#[test]
fn a_secret_is_set_listed_and_removed_and_never_shown() {
    let stage = stage();
    stage.run(&["check"]).expect(65).says("KEY").says("mainstay secret set KEY");
    stage.run_with_input(&["secret", "set", "KEY"], b"hunter2\n").expect(0).says("set `KEY`");
    stage.run(&["check"]).expect(0);
    let list = stage.run(&["secret", "list", "--json"]);
    assert_eq!(list.expect(0).json()["names"], serde_json::json!(["KEY"]));
    let again = stage.run_with_input(&["secret", "set", "KEY"], b"hunter3");
    again.expect(0).says("replaced");
    for answer in [list, again, stage.run(&["check", "--json"]), stage.run(&["env", "reference"])] {
        assert!(!answer.out.contains("hunter") && !answer.err.contains("hunter"));
    }
    stage.run(&["secret", "unset", "KEY"]).expect(0);
    stage.run(&["secret", "unset", "KEY"]).expect(1);
}

#[test]
fn only_the_owner_can_read_the_file_and_one_that_others_can_is_refused() {
    let stage = stage();
    stage.write("value", "from a file\n");
    stage.run(&["secret", "set", "KEY", "--from-file", "value"]).expect(0);
    let file = stage.path().join("state/dev/secrets.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    stage.run(&["secret", "list"]).expect(66).says("chmod 600");
}

#[test]
fn names_and_values_that_cannot_be_are_refused() {
    let stage = stage();
    for name in ["key", "A-B", "KEY=value", "a.b", ""] {
        stage.run_with_input(&["secret", "set", name], b"x").expect(2).says("capital letters");
    }
    stage.run_with_input(&["secret", "set", "KEY"], b"").expect(2).says("empty");
    stage.run_with_input(&["secret", "set", "KEY"], &vec![b'x'; 70_000]).expect(2).says("65536");
    stage.run_with_input(&["secret", "set", "KEY"], b"a\0b").expect(2).says("zero byte");
    stage.run_with_input(&["secret", "set", "KEY"], b"\xff\xfe").expect(66).says("base64");
    stage.run(&["secret", "set", "KEY", "--from-file", "nowhere"]).expect(66).says("nowhere");
}
