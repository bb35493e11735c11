//! Limits are enforced, reported as what they are, and measured.

use base::Bytes;
use supervisor::{MemorySource, Phase};

use crate::stage::{Stage, apply, instance, instance_in, plan, status_when};

/// Holds 100 MB in the shell's own memory.
const GREEDY: &str = "x=$(head -c 50000000 /dev/zero | tr '\\0' x); y=$x; sleep 600";

async fn reason_of_death(cgroups: bool) -> (String, Vec<String>) {
    let stage = Stage::new(|setting| setting.cgroups = cgroups);
    let supervisor = stage.connect().await;
    let mut one = instance("api-1", GREEDY);
    one.limits.memory = Some(Bytes(64 << 20));
    apply(&supervisor, plan(1, vec![one])).await;
    let exit = status_when(&supervisor, "it was killed", |status| {
        status.instances.first()?.last_exit.clone()
    })
    .await;
    (exit.reason, supervisor.status().await.unwrap().notices)
}

#[tokio::test]
async fn a_process_above_its_memory_limit_is_killed_and_the_limit_is_named() {
    let (reason, notices) = reason_of_death(true).await;
    assert!(reason.contains("memory limit of 64Mi"), "{reason} {notices:?}");
}

#[tokio::test]
async fn without_cgroups_the_limit_still_holds_and_a_notice_says_how() {
    let (reason, notices) = reason_of_death(false).await;
    assert!(reason.contains("memory limit of 64Mi exceeded"), "{reason}");
    assert!(notices.iter().any(|notice| notice.contains("no memory cgroup here")), "{notices:?}");
}

#[tokio::test]
async fn cpu_and_memory_are_measured() {
    for cgroups in [true, false] {
        let stage = Stage::new(|setting| setting.cgroups = cgroups);
        let supervisor = stage.connect().await;
        apply(&supervisor, plan(1, vec![instance("api-1", "while :; do :; done")])).await;
        instance_in(&supervisor, "api-1", Phase::Ready).await;
        let busy = status_when(&supervisor, "it is measured", |status| {
            let one = status.instances.first()?;
            (100 < one.cpu_millis?).then(|| one.clone())
        })
        .await;
        assert!(0.1 < busy.cpu_seconds_total.unwrap());
        let memory = busy.memory.unwrap();
        assert!(0 < memory.bytes.0 && memory.bytes.0 < 50 << 20, "{memory:?}");
        if !cgroups {
            assert_eq!(memory.source, MemorySource::Pss);
        }
    }
}

#[tokio::test]
async fn the_platform_measures_itself() {
    let stage = Stage::new(|setting| setting.platform = true);
    let supervisor = stage.connect().await;
    let platform = status_when(&supervisor, "everybody is measured", |status| {
        let all = status.platform.iter().all(|process| process.memory.is_some());
        all.then(|| status.platform.clone())
    })
    .await;
    let names: Vec<&str> = platform.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["supervisor", "keeper", "control", "gateway"]);
}
