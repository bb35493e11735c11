//! What is left when the supervisor and its keeper are killed in the same instant, and what a sweep
//! does not touch.

use std::process::{Command, Stdio};

use supervisor::{Phase, sweep};

use crate::stage::{
    Stage, alive, apply, eventually, instance, instance_in, number_in, plan, signal, with_marker,
};

const FOREVER: &str = "while :; do sleep 1; done";

async fn both_die(cgroups: bool) {
    let mut stage = Stage::new(|setting| setting.cgroups = cgroups);
    let supervisor = stage.connect().await;
    let path = stage.directory.path().join("pid");
    let script = format!("setsid /bin/sh -c 'echo $$ > {}; {FOREVER}' & {FOREVER}", path.display());
    apply(&supervisor, plan(1, vec![instance("api-1", &script)])).await;
    let escaped = number_in(&path);
    let process = stage.supervisor_pid();
    eventually("the record is written", || {
        let record = std::fs::read_to_string(stage.setting.state.join("supervisor.json")).ok()?;
        record.contains("api-1").then_some(())
    });
    signal(stage.process.id(), 9);
    signal(process, 9);
    stage.process.wait().unwrap();
    eventually("the supervisor is dead", || (!alive(process)).then_some(()));
    assert!(alive(escaped));
    let proof = sweep(&stage.setting.state, &stage.setting.runtime).unwrap();
    assert!(proof.clean(), "{proof:?}");
    assert!(proof.killed.iter().any(|killed| killed.pid == escaped), "{proof:?}");
    assert!(!alive(escaped));
    assert!(with_marker(&stage.setting.run).is_empty());
    assert!(!stage.socket().exists());
    stage.again();
}

#[tokio::test]
async fn a_sweep_finds_what_the_keeper_could_not() {
    both_die(true).await;
    both_die(false).await;
}

#[tokio::test]
async fn the_next_start_sweeps_by_itself() {
    let mut stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let path = stage.directory.path().join("pid");
    let script = format!("setsid /bin/sh -c 'echo $$ > {}; {FOREVER}' & wait", path.display());
    apply(&supervisor, plan(1, vec![instance("api-1", &script)])).await;
    let escaped = number_in(&path);
    let process = stage.supervisor_pid();
    signal(stage.process.id(), 9);
    signal(process, 9);
    stage.again();
    assert!(!alive(escaped));
}

#[test]
fn a_process_that_only_has_a_recorded_number_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut stranger = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let pid = stranger.id();
    let check = |start: u64| {
        let record = serde_json::json!({
            "format": 1, "run": "gone", "boot": boot.trim(),
            "supervisor": { "pid": 999_999_999, "start": 1, "what": "supervisor" },
            "processes": [{ "pid": pid, "start": start, "what": "api-1" }],
            "cgroups": [], "addresses": [], "sockets": [],
        });
        let file = runtime::StateFile::private(directory.path().join("supervisor.json"));
        file.write(record.to_string().as_bytes()).unwrap();
        sweep(directory.path(), directory.path()).unwrap().killed.len()
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start: u64 = stat.rsplit(')').next().unwrap().split(' ').nth(20).unwrap().parse().unwrap();
    assert_eq!(check(start + 1), 0);
    assert!(stranger.try_wait().unwrap().is_none());
    assert_eq!(check(start), 1);
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_running_supervisor_is_not_swept() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    apply(&supervisor, plan(1, vec![instance("api-1", FOREVER)])).await;
    let one = instance_in(&supervisor, "api-1", Phase::Ready).await;
    let error = sweep(&stage.setting.state, &stage.setting.runtime).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", stage.supervisor_pid())), "{error}");
    assert!(alive(one.pid.unwrap()));
}
