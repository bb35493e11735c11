//! The life of instances: started, probed, restarted, replaced, stopped in order.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Secret;
use plan::{ProbeCheck, RestartPolicy, Template};
use supervisor::{Changed, EventKind, Events, InstanceEvent, Phase, StopProgress, Update};

use crate::stage::{
    Stage, alive, apply, eventually, instance, instance_in, number_in, plan, port, probe, shell,
    signal, start, status_when,
};

const FOREVER: &str = "while :; do sleep 1; done";

async fn next_instance_event(events: &mut Events) -> (String, InstanceEvent) {
    loop {
        let update = events.next().await.unwrap().expect("the supervisor runs");
        if let Update::Event(event) = update
            && let EventKind::Instance { instance, event, .. } = event.kind
        {
            return (instance, event);
        }
    }
}

async fn wait_for(events: &mut Events, wanted: impl Fn(&InstanceEvent) -> bool) -> InstanceEvent {
    let found = async {
        loop {
            let (_, event) = next_instance_event(events).await;
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(crate::stage::PATIENCE, found).await.expect("it happens in time")
}

#[tokio::test]
async fn an_instance_that_keeps_exiting_is_named_once_with_its_last_lines() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let mut events = supervisor.events(None).await.unwrap();
    apply(&supervisor, plan(1, vec![instance("api-1", "echo no database >&2; exit 3")])).await;
    let event =
        wait_for(&mut events, |event| matches!(event, InstanceEvent::CrashLoop { .. })).await;
    let InstanceEvent::CrashLoop { exits, last_lines, .. } = event else { unreachable!() };
    assert_eq!(exits, 5);
    assert_eq!(last_lines, ["no database"]);
    let status = instance_in(&supervisor, "api-1", Phase::CrashLoop).await;
    assert_eq!(status.last_exit.unwrap().code, Some(3));
    assert!(status.reason.unwrap().contains("exited with 3"));
}

#[tokio::test]
async fn a_policy_decides_whether_an_exit_is_final() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let mut done = instance("done-1", "exit 0");
    done.restart = RestartPolicy::OnFailure;
    let mut never = instance("never-1", "exit 1");
    never.restart = RestartPolicy::Never;
    apply(&supervisor, plan(1, vec![done, never])).await;
    instance_in(&supervisor, "done-1", Phase::Exited).await;
    let never = instance_in(&supervisor, "never-1", Phase::Exited).await;
    assert_eq!(never.restarts, 0);
}

#[tokio::test]
async fn an_instance_that_never_starts_is_killed_and_says_why() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let mut events = supervisor.events(None).await.unwrap();
    let mut one = instance("api-1", &format!("echo waiting for nothing; {FOREVER}"));
    one.address = Some(port());
    let mut startup = probe(ProbeCheck::Http { path: "/health".to_owned() });
    startup.within = Duration::from_millis(400);
    one.probes.startup = Some(startup);
    apply(&supervisor, plan(1, vec![one])).await;
    let event = wait_for(&mut events, |event| matches!(event, InstanceEvent::Exited { .. })).await;
    let InstanceEvent::Exited { reason, last_lines, .. } = event else { unreachable!() };
    assert!(reason.contains("not started within 400ms"), "{reason}");
    assert!(reason.contains("/health: connection refused"), "{reason}");
    assert_eq!(last_lines, ["waiting for nothing"]);
}

#[tokio::test]
async fn readiness_follows_its_probe_and_liveness_ends_the_process() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let (ready, dead) = (stage.directory.path().join("ready"), stage.directory.path().join("dead"));
    let mut one = instance("api-1", FOREVER);
    let check = |script: String| ProbeCheck::Command { command: shell(&script) };
    one.probes.readiness =
        Some(probe(check(format!("test -e {} || {{ echo not yet; exit 1; }}", ready.display()))));
    one.probes.liveness = Some(probe(check(format!("! test -e {}", dead.display()))));
    apply(&supervisor, plan(1, vec![one])).await;
    let starting = status_when(&supervisor, "it says why it is not ready", |status| {
        let one = status.instances.first()?;
        one.reason.clone().map(|reason| (one.phase, reason))
    })
    .await;
    assert_eq!(starting.0, Phase::Starting);
    assert!(starting.1.contains("not yet"), "{starting:?}");
    std::fs::copy("/proc/self/comm", &ready).unwrap();
    let first = instance_in(&supervisor, "api-1", Phase::Ready).await;
    std::fs::remove_file(&ready).unwrap();
    instance_in(&supervisor, "api-1", Phase::Unready).await;
    std::fs::copy("/proc/self/comm", &ready).unwrap();
    instance_in(&supervisor, "api-1", Phase::Ready).await;
    std::fs::copy("/proc/self/comm", &dead).unwrap();
    let exit = status_when(&supervisor, "it was killed", |status| {
        status.instances.first()?.last_exit.clone()
    })
    .await;
    assert!(exit.reason.contains("not alive"), "{exit:?}");
    assert!(!alive(first.pid.unwrap()));
}

#[tokio::test]
async fn an_instance_that_ignores_the_signal_is_killed_after_its_deadline() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let path = stage.directory.path().join("pid");
    let script = format!("trap '' TERM; echo $$ > {}; {FOREVER}", path.display());
    let mut one = instance("api-1", &script);
    one.stop.deadline = Duration::from_millis(300);
    apply(&supervisor, plan(1, vec![one])).await;
    let pid = number_in(&path);
    apply(&supervisor, plan(2, Vec::new())).await;
    status_when(&supervisor, "it is forgotten", |status| status.instances.is_empty().then_some(()))
        .await;
    assert!(!alive(pid));
}

async fn daemon(cgroups: bool) {
    let stage = Stage::new(|setting| setting.cgroups = cgroups);
    let supervisor = stage.connect().await;
    let path = stage.directory.path().join("pid");
    let script = format!(
        "setsid /bin/sh -c 'echo $$ > {}; {FOREVER}' & while ! test -s {0}; do :; done",
        path.display()
    );
    let mut one = instance("api-1", &script);
    one.restart = RestartPolicy::Never;
    apply(&supervisor, plan(1, vec![one])).await;
    let status = instance_in(&supervisor, "api-1", Phase::Exited).await;
    let reason = status.reason.unwrap();
    assert!(reason.contains("must stay in the foreground"), "{reason}");
    assert!(!alive(number_in(&path)));
}

#[tokio::test]
async fn a_daemon_is_found_killed_and_told_to_stay_in_the_foreground() {
    daemon(true).await;
    daemon(false).await;
}

#[tokio::test]
async fn what_cannot_be_started_says_what_is_missing() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let mut program = instance("program-1", "");
    program.command.program = "/nonexistent/program".into();
    let mut directory = instance("directory-1", "");
    directory.command.directory = "/nonexistent/directory".into();
    let mut file = instance("file-1", "");
    file.command.program = "/etc/passwd".into();
    apply(&supervisor, plan(1, vec![program, directory, file])).await;
    let check = async |id: &str, words: &str| {
        let reason = instance_in(&supervisor, id, Phase::Failed).await.reason.unwrap();
        assert!(reason.contains(words), "{reason}");
    };
    check("program-1", "`/nonexistent/program` does not exist").await;
    check("directory-1", "working directory `/nonexistent/directory` does not exist").await;
    check("file-1", "`/etc/passwd` is not an executable file").await;
}

#[tokio::test]
async fn an_occupied_address_names_its_holder_and_is_tried_again() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let address = port();
    let taken = std::net::TcpListener::bind(address).unwrap();
    let mut one = instance("api-1", FOREVER);
    one.address = Some(address);
    one.probes.readiness = Some(probe(ProbeCheck::Command { command: shell("true") }));
    apply(&supervisor, plan(1, vec![one])).await;
    let reason = instance_in(&supervisor, "api-1", Phase::Failed).await.reason.unwrap();
    assert!(reason.contains(&format!("in use by process {}", std::process::id())), "{reason}");
    drop(taken);
    instance_in(&supervisor, "api-1", Phase::Ready).await;
}

#[tokio::test]
async fn an_instance_waits_for_its_secret_and_gets_it_in_its_environment_alone() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let mut one = instance("api-1", &format!("echo \"$URL\" | tr a-z A-Z; {FOREVER}"));
    let url = Template::text("postgres://app:").and_secret("db/password").and_text("@db");
    one.command.environment.insert("URL".to_owned(), url);
    apply(&supervisor, plan(1, vec![one])).await;
    let reason = instance_in(&supervisor, "api-1", Phase::Failed).await.reason.unwrap();
    assert!(reason.contains("`db/password`"), "{reason}");
    let secret = Secret::new("hunter2".to_owned());
    supervisor.secrets(BTreeMap::from([("db/password".to_owned(), secret)])).await.unwrap();
    instance_in(&supervisor, "api-1", Phase::Ready).await;
    eventually("it has its secret", || {
        stage.log("api-1").contains("POSTGRES://APP:HUNTER2@DB").then_some(())
    });
    let record = std::fs::read_to_string(stage.setting.state.join("supervisor.json")).unwrap();
    assert!(!record.contains("hunter2"));
}

#[tokio::test]
async fn a_changed_plan_replaces_its_instance_and_no_other() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let (one, two) = (instance("one-1", FOREVER), instance("two-1", FOREVER));
    apply(&supervisor, plan(1, vec![one.clone(), two.clone()])).await;
    let first = instance_in(&supervisor, "one-1", Phase::Ready).await;
    let second = instance_in(&supervisor, "two-1", Phase::Ready).await;
    let mut changed = two;
    changed.command = shell(&format!(": changed; {FOREVER}"));
    let next = plan(2, vec![one.clone(), changed.clone()]);
    supervisor.apply(next.clone(), Changed::Keep).await.unwrap();
    let kept = instance_in(&supervisor, "two-1", Phase::Ready).await;
    assert_eq!(kept.pid, second.pid);
    let mut third = changed;
    third.tier = 3;
    apply(&supervisor, plan(3, vec![one, third])).await;
    status_when(&supervisor, "the second is replaced", |status| {
        let two = status.instances.iter().find(|one| one.id == "two-1")?;
        (two.phase == Phase::Ready && two.pid != second.pid).then_some(())
    })
    .await;
    let applied = supervisor.apply(next, Changed::Restart).await.unwrap();
    assert_eq!(applied.generation, 3);
    let status = supervisor.status().await.unwrap();
    assert_eq!(status.instances[0].pid, first.pid);
    assert_eq!(status.instances[0].restarts, 0);
}

#[tokio::test]
async fn a_restart_that_was_asked_for_is_no_crash() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    apply(&supervisor, plan(1, vec![instance("api-1", FOREVER)])).await;
    let before = instance_in(&supervisor, "api-1", Phase::Ready).await;
    supervisor.restart("api-1").await.unwrap();
    let after = status_when(&supervisor, "it is back", |status| {
        let one = status.instances.first()?;
        (one.phase == Phase::Ready && one.pid != before.pid).then(|| one.clone())
    })
    .await;
    assert_eq!(after.restarts, 0);
    assert!(supervisor.restart("nobody").await.is_err());
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_nothing() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let mut events = supervisor.events(None).await.unwrap();
    let Some(Update::Status(status)) = events.next().await.unwrap() else { panic!() };
    drop(events);
    apply(&supervisor, plan(1, vec![instance("api-1", FOREVER)])).await;
    instance_in(&supervisor, "api-1", Phase::Ready).await;
    let mut events = supervisor.events(Some(status.sequence)).await.unwrap();
    let Some(Update::Status(_)) = events.next().await.unwrap() else { panic!() };
    assert!(matches!(next_instance_event(&mut events).await.1, InstanceEvent::Started { .. }));
    assert_eq!(next_instance_event(&mut events).await.1, InstanceEvent::Ready);
}

#[tokio::test]
async fn everything_stops_in_order_and_nothing_is_left() {
    let mut stage = Stage::new(|setting| setting.platform = true);
    let supervisor = stage.connect().await;
    let path = stage.directory.path().join("order");
    let script = |name: &str| {
        format!("trap 'echo {name} >> {}; exit 0' TERM; echo up; {FOREVER}", path.display())
    };
    let instances: Vec<_> = [("db", 0), ("api", 1), ("web", 2)]
        .into_iter()
        .map(|(name, tier)| {
            let mut one = instance(name, &script(name));
            one.tier = tier;
            one
        })
        .collect();
    apply(&supervisor, plan(1, instances)).await;
    for name in ["db", "api", "web"] {
        eventually("its trap is set", || stage.log(name).contains("out up").then_some(()));
    }
    let mut steps = Vec::new();
    supervisor.stop(|progress| steps.push(progress)).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "web\napi\ndb\n");
    assert_eq!(steps.last(), Some(&StopProgress::Ended));
    // The supervisor and its keeper are still ending: a proof waits for them.
    let record = stage.setting.state.join("supervisor.json");
    assert!(record.exists(), "there is nothing to prove anything by");
    let proof = supervisor::sweep(&stage.setting.state, &stage.setting.runtime).unwrap();
    assert!(!record.exists());
    assert!(proof.clean() && proof.killed.is_empty(), "{proof:?}");
    assert!(stage.process.wait().unwrap().success());
}

#[tokio::test]
async fn a_second_signal_cuts_the_deadlines_short() {
    let mut stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let script = format!("trap '' TERM; echo up; {FOREVER}");
    let mut one = instance("api-1", &script);
    one.stop.deadline = Duration::from_secs(600);
    apply(&supervisor, plan(1, vec![one])).await;
    eventually("its trap is set", || stage.log("api-1").contains("out up").then_some(()));
    let mut events = supervisor.events(None).await.unwrap();
    signal(stage.process.id(), 2);
    wait_for(&mut events, |event| *event == InstanceEvent::Stopping).await;
    signal(stage.process.id(), 2);
    assert!(eventually("it ends", || stage.process.try_wait().unwrap()).success());
}

#[tokio::test]
async fn the_end_of_the_leash_stops_everything() {
    let mut stage = Stage::new(|setting| setting.leash = true);
    let supervisor = stage.connect().await;
    apply(&supervisor, plan(1, vec![instance("api-1", FOREVER)])).await;
    let pid = instance_in(&supervisor, "api-1", Phase::Ready).await.pid.unwrap();
    drop(stage.process.stdin.take());
    assert!(eventually("it ends", || stage.process.try_wait().unwrap()).success());
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_second_supervisor_is_told_who_holds_the_state() {
    let stage = Stage::new(|_| {});
    let holder = stage.supervisor_pid();
    let output = start(&stage.setting).wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(message.contains(&format!("in use by process {holder}")), "{message}");
    stage.connect().await.status().await.unwrap();
}

#[tokio::test]
async fn an_instance_gets_signals_as_if_started_from_a_terminal() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let script = format!("grep -E '^Sig(Blk|Ign)' /proc/self/status; {FOREVER}");
    apply(&supervisor, plan(1, vec![instance("api-1", &script)])).await;
    eventually("nothing is held back or ignored", || {
        let log = stage.log("api-1");
        // Signal 32 and above belong to the C library.
        let zero = |name: &str| {
            let mask = log.split(name).nth(1)?.split_ascii_whitespace().nth(1)?;
            Some(u64::from_str_radix(mask, 16).ok()? & 0x7fff_ffff == 0)
        };
        (zero("SigBlk")? && zero("SigIgn")?).then_some(())
    });
}
