//! The death table: each row killed with signal 9, and what must follow.

use std::path::Path;

use plan::{ProbeCheck, UserPlan};
use supervisor::Phase;

use crate::stage::{
    Stage, alive, apply, eventually, instance, instance_in, is_root, now, number_in, plan, probe,
    set_mode, signal, status_when, with_marker,
};

/// A grandchild in a session of its own without a marker, the way npm, node and PostgreSQL's
/// backends live together; each writes down who it is.
fn family(directory: &Path) -> String {
    let path = directory.display();
    format!(
        "setsid env -i /bin/sh -c 'echo $$ > {path}/escaped; while :; do sleep 1; done' &
         /bin/sh -c 'echo $$ > {path}/grandchild; while :; do sleep 1; done' &
         echo $$ > {path}/child; wait; while :; do sleep 1; done"
    )
}

async fn supervisor_dies(cgroups: bool, user: Option<UserPlan>) {
    let mut stage = Stage::new(|setting| {
        setting.cgroups = cgroups;
        setting.platform = true;
    });
    let supervisor = stage.connect().await;
    let directory = stage.directory.path().join("pids");
    std::fs::create_dir(&directory).unwrap();
    set_mode(&directory, 0o777);
    let mut one = instance("api-1", &family(&directory));
    one.command.user = user;
    apply(&supervisor, plan(1, vec![one])).await;
    let mut pids: Vec<u32> = ["child", "grandchild", "escaped"]
        .iter()
        .map(|name| number_in(&directory.join(name)))
        .collect();
    let status = supervisor.status().await.unwrap();
    pids.extend(status.platform.iter().filter_map(|process| process.pid));
    assert!(pids.iter().all(|pid| alive(*pid)));
    let killed = now();
    signal(stage.supervisor_pid(), 9);
    eventually("everything is gone", || pids.iter().all(|pid| !alive(*pid)).then_some(()));
    println!("everything under a killed supervisor is gone after {:?}", killed.elapsed());
    assert!(killed.elapsed().as_millis() < 1_000);
    stage.process.wait().unwrap();
    assert!(with_marker(&stage.setting.run).is_empty());
    stage.again();
}

#[tokio::test]
async fn nothing_outlives_a_killed_supervisor() {
    supervisor_dies(true, None).await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_supervisor_without_cgroups() {
    supervisor_dies(false, None).await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_supervisor_with_dropped_privileges() {
    if !is_root() {
        // Dropping privileges is root's alone; there is nothing to see as somebody else.
        return;
    }
    let nobody = UserPlan { name: "nobody".to_owned(), uid: 65_534, gid: 65_534 };
    supervisor_dies(true, Some(nobody.clone())).await;
    supervisor_dies(false, Some(nobody)).await;
}

fn pid_of(status: &supervisor::SupervisorStatus, name: &str) -> Option<u32> {
    status.platform.iter().find(|process| process.name == name)?.pid
}

#[tokio::test]
async fn a_killed_control_is_back_within_a_second_and_nothing_else_notices() {
    let stage = Stage::new(|setting| setting.platform = true);
    let supervisor = stage.connect().await;
    apply(&supervisor, plan(1, vec![instance("api-1", "while :; do sleep 1; done")])).await;
    let before = instance_in(&supervisor, "api-1", Phase::Ready).await;
    let (control, gateway) = status_when(&supervisor, "control and gateway run", |status| {
        Some((pid_of(status, "control")?, pid_of(status, "gateway")?))
    })
    .await;
    let killed = now();
    signal(control, 9);
    status_when(&supervisor, "control is back", |status| {
        pid_of(status, "control").filter(|pid| *pid != control)
    })
    .await;
    assert!(killed.elapsed().as_millis() < 1_000);
    let status = supervisor.status().await.unwrap();
    assert_eq!(pid_of(&status, "gateway"), Some(gateway));
    assert_eq!(status.instances[0].pid, before.pid);
}

#[tokio::test]
async fn a_killed_instance_is_started_again_after_a_moment() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    apply(&supervisor, plan(1, vec![instance("api-1", "while :; do sleep 1; done")])).await;
    let before = instance_in(&supervisor, "api-1", Phase::Ready).await;
    signal(before.pid.unwrap(), 9);
    let after = status_when(&supervisor, "it is back", |status| {
        let one = status.instances.first()?;
        (one.phase == Phase::Ready && one.pid != before.pid).then(|| one.clone())
    })
    .await;
    assert_eq!(after.restarts, 1);
    assert_eq!(after.last_exit.unwrap().signal, Some(9));
}

#[tokio::test]
async fn a_killed_keeper_is_replaced_and_its_successor_cleans_up() {
    let mut stage = Stage::new(|setting| {
        setting.second_keeper = true;
        setting.cgroups = false;
    });
    let supervisor = stage.connect().await;
    let mut one = instance("api-1", "while :; do sleep 1; done & wait");
    let check = ProbeCheck::Command { command: crate::stage::shell("true") };
    one.probes.startup = Some(probe(check));
    apply(&supervisor, plan(1, vec![one])).await;
    let one = instance_in(&supervisor, "api-1", Phase::Ready).await;
    let process = stage.supervisor_pid();
    signal(stage.process.id(), 9);
    stage.process.wait().unwrap();
    let keeper = stage.process.id();
    let second = status_when(&supervisor, "a second keeper", |status| {
        pid_of(status, "keeper").filter(|pid| *pid != keeper)
    })
    .await;
    assert!(alive(one.pid.unwrap()) && alive(process));
    signal(process, 9);
    let run = stage.setting.run.clone();
    eventually("everything is gone", || with_marker(&run).is_empty().then_some(()));
    eventually("the second keeper has ended", || (!alive(second)).then_some(()));
}
