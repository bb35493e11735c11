//! The command line itself.

use std::process::Stdio;

use crate::stage::{Stage, answer};

#[test]
fn help_and_version_are_no_mistakes_and_nonsense_is_usage() {
    let stage = Stage::new();
    stage.run(&["--help"]).expect(0).says("Bring the application up");
    stage.run(&["--version"]).expect(0).says("mainstay ");
    stage.run(&["bogus"]).expect(2).says("bogus");
    stage.run(&["check", "--bogus"]).expect(2);
    stage.run(&["up", "--console-port", "0"]).expect(2);
    stage.run(&["up", "--timeout", "soon"]).expect(2);
}

#[test]
fn hidden_processes_are_not_listed() {
    let help = Stage::new().run(&["--help"]).out;
    for name in ["supervisor", "keeper", "gateway"] {
        assert!(!help.contains(&format!("  {name} ")), "{help}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        stage.run(&["completions", shell]).expect(0).says("mainstay");
    }
    stage.run(&["completions", "bash", "--json"]).expect(0).json();
    stage.run(&["completions", "tcsh"]).expect(2);
}

#[test]
fn a_manual_page_is_written_for_every_command() {
    let stage = Stage::new();
    stage.run(&["man"]).expect(0).says(".TH");
    stage.run(&["man", "pages"]).expect(0).says("mainstay-up.1");
    assert!(stage.read("pages/mainstay-secret-set.1").contains("standard input"));
    assert!(!stage.path().join("pages/mainstay-keeper.1").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let stage = Stage::new();
    let mut command = stage.command(&["schema"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let answer = answer(child.wait_with_output().unwrap());
    answer.expect(0);
    assert_eq!(answer.err, "");
}

#[test]
fn nothing_running_is_69_and_says_what_to_do() {
    let stage = Stage::with("format = 1\napp = \"shop\"\n[service.a]\nrun = \"sleep 9\"\n");
    for arguments in [
        &["status"][..],
        &["events"],
        &["logs"],
        &["restart", "a"],
        &["run", "x"],
        &["connect", "db"],
        &["migrate", "status"],
    ] {
        stage.run(arguments).expect(69).says("mainstay up");
    }
    stage.run(&["down"]).expect(0).says("0 processes, 0 ports, 0 sockets");
    let error = stage.run(&["status", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&error.expect(69).err).unwrap();
    assert_eq!(value["error"]["code"], 69);
}
