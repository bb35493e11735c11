//! Jobs: steps in order, with their output, their deadline, and errors that say what was attempted.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use base::Secret;
use plan::{JobPlan, LimitsPlan, Step, Template};
use supervisor::{JobEnd, JobResult};

use crate::stage::{Stage, alive, eventually, number_in, shell, status_when};

fn job(steps: Vec<Step>) -> JobPlan {
    JobPlan {
        id: "db/init".to_owned(),
        service: "db".to_owned(),
        steps,
        deadline: Duration::from_secs(20),
    }
}

fn run(script: &str) -> Step {
    Step::Run { command: shell(script), input: None, limits: LimitsPlan::default() }
}

async fn check(stage: &Stage, steps: Vec<Step>) -> JobResult {
    stage.connect().await.run(job(steps)).await.unwrap()
}

#[tokio::test]
async fn steps_are_done_in_order_and_output_is_kept() {
    let stage = Stage::new(|_| {});
    let base = stage.directory.path().join("data");
    let path = |name: &str| base.join(name);
    let steps = vec![
        Step::Directory { path: path("new"), mode: 0o700, owner: None },
        Step::File {
            path: path("new/file"),
            content: Template::text("text"),
            mode: 0o600,
            owner: None,
        },
        Step::Copy { from: path("new"), to: path("copy") },
        Step::Rename { from: path("copy"), to: path("whole") },
        Step::Remove { path: path("new") },
        run(&format!("cat {}/whole/file; echo; echo done >&2", base.display())),
    ];
    let result = check(&stage, steps).await;
    assert!(result.succeeded(), "{result:?}");
    assert_eq!(result.step, 6);
    assert!(!path("new").exists());
    let mode = std::fs::metadata(path("whole")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    eventually("its log is written", || {
        let log = stage.log("db%2Finit");
        (log.contains("out text") && log.contains("err done")).then_some(())
    });
}

#[tokio::test]
async fn the_first_failure_ends_it_and_says_what_was_attempted() {
    let stage = Stage::new(|_| {});
    let result = check(&stage, vec![run("echo broken; exit 7"), run("exit 0")]).await;
    assert_eq!((result.ended, result.step), (JobEnd::Exited { code: 7 }, 0));
    assert_eq!(result.last_lines, ["broken"]);
    let rename = Step::Rename { from: "/nonexistent/a".into(), to: "/nonexistent/b".into() };
    let JobEnd::Failed { reason } = check(&stage, vec![rename]).await.ended else { panic!() };
    assert!(reason.contains("cannot rename to `/nonexistent/b`: No such file"), "{reason}");
}

#[tokio::test]
async fn a_secret_is_handed_over_as_input() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let step = || Step::Run {
        command: shell("tr a-z A-Z"),
        input: Some(Template::text("password=").and_secret("pw").and_text("\n")),
        limits: LimitsPlan::default(),
    };
    let JobEnd::Failed { reason } = supervisor.run(job(vec![step()])).await.unwrap().ended else {
        panic!()
    };
    assert!(reason.contains("secret `pw` is not known"), "{reason}");
    let secrets = BTreeMap::from([("pw".to_owned(), Secret::new("hunter2".to_owned()))]);
    supervisor.secrets(secrets).await.unwrap();
    let result = supervisor.run(job(vec![step()])).await.unwrap();
    assert_eq!(result.last_lines, ["PASSWORD=HUNTER2"]);
}

#[tokio::test]
async fn a_deadline_ends_everything_the_job_started() {
    let stage = Stage::new(|_| {});
    let path = stage.directory.path().join("pid");
    let script = format!("/bin/sh -c 'echo $$ > {}; sleep 600' & wait", path.display());
    let mut job = job(vec![run(&script)]);
    job.deadline = Duration::from_millis(300);
    let result = stage.connect().await.run(job).await.unwrap();
    assert_eq!(result.ended, JobEnd::TimedOut);
    assert!(!alive(number_in(&path)));
}

#[tokio::test]
async fn a_job_can_be_cancelled_and_its_name_is_taken_only_while_it_runs() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let waiting = supervisor.run(job(vec![run("sleep 600")]));
    let cancel = async {
        status_when(&supervisor, "the job runs", |status| status.jobs.first()?.pid).await;
        assert!(supervisor.run(job(Vec::new())).await.is_err());
        supervisor.cancel("db/init").await.unwrap();
    };
    let (result, ()) = tokio::join!(waiting, cancel);
    assert_eq!(result.unwrap().ended, JobEnd::Cancelled);
    assert!(supervisor.run(job(Vec::new())).await.unwrap().succeeded());
}
