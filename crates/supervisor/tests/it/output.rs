//! Output is captured without ever holding anybody up.

use std::path::Path;
use std::process::Command;

use supervisor::Phase;
use supervisor::logs::{self, Filter, Stream};

use crate::stage::{
    Stage, apply, eventually, instance, instance_in, is_root, number_in, plan, status_when,
};

const FOREVER: &str = "while :; do sleep 1; done";

#[tokio::test]
async fn logs_are_merged_by_time_and_filtered() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let path = stage.directory.path().join("go");
    let one = format!("echo first; echo > {}; {FOREVER}", path.display());
    let two = format!(
        "while ! test -e {}; do :; done; sleep 0.1; echo second >&2; {FOREVER}",
        path.display()
    );
    apply(&supervisor, plan(1, vec![instance("b-1", &one), instance("a-1", &two)])).await;
    eventually("both are written", || {
        (stage.log("a-1").contains("second") && stage.log("b-1").contains("first")).then_some(())
    });
    let logs = stage.setting.state.join("logs");
    let read = |filter: Filter| -> Vec<(String, Stream, String)> {
        let lines = logs::read(&logs, &filter).unwrap();
        lines.map(|line| (line.id, line.stream, line.text)).collect()
    };
    let first = ("b-1".to_owned(), Stream::Out, "first".to_owned());
    let second = ("a-1".to_owned(), Stream::Err, "second".to_owned());
    assert_eq!(
        read(Filter { of: vec!["b".to_owned()], ..Filter::default() }),
        std::slice::from_ref(&first)
    );
    assert_eq!(read(Filter::default()), [first, second.clone()]);
    let grep = regex::Regex::new("^sec").unwrap();
    assert_eq!(
        read(Filter { grep: Some(grep), ..Filter::default() }),
        std::slice::from_ref(&second)
    );
    assert_eq!(read(Filter { limit: Some(1), ..Filter::default() }), [second]);
}

#[tokio::test]
async fn a_follower_sees_what_is_written_from_now_on() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let path = stage.directory.path().join("go");
    let script = format!(
        "echo before; while ! test -e {}; do sleep 0.01; done; echo after; {FOREVER}",
        path.display()
    );
    apply(&supervisor, plan(1, vec![instance("api-1", &script)])).await;
    eventually("the first line is written", || stage.log("api-1").contains("before").then_some(()));
    let mut follower = logs::follow(&stage.setting.state.join("logs"), Filter::default()).unwrap();
    std::fs::copy("/proc/self/comm", &path).unwrap();
    let line = tokio::time::timeout(crate::stage::PATIENCE, follower.next());
    assert_eq!(line.await.unwrap().unwrap().text, "after");
}

fn flood(done: &Path) -> String {
    // 64 MiB of output: a thousand pipes' worth.
    let line = "a line of output that is as long as one that a service would write in earnest";
    format!("yes '{line}' | head -c 67108864; echo 1 > {}; {FOREVER}", done.display())
}

#[tokio::test]
async fn a_flood_neither_blocks_its_writer_nor_the_supervisor_nor_the_disk() {
    let stage = Stage::new(|_| {});
    let supervisor = stage.connect().await;
    let done = stage.directory.path().join("done");
    apply(&supervisor, plan(1, vec![instance("api-1", &flood(&done))])).await;
    while !done.exists() {
        supervisor.status().await.unwrap();
    }
    number_in(&done);
    let directory = stage.setting.state.join("logs");
    let bytes: u64 = std::fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 4 * (16 << 20) + (1 << 20), "{bytes}");
}

/// A small file system that is full at once; gone again with the test.
struct Full<'a>(&'a Path);

impl<'a> Full<'a> {
    fn mount(path: &'a Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(path)
            .status()
            .unwrap();
        assert!(mount.success());
        Self(path)
    }
}

impl Drop for Full<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}

#[tokio::test]
async fn a_full_disk_costs_lines_which_are_counted_and_nothing_else() {
    if !is_root() {
        // Only root can mount the small file system that this needs.
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("state/logs");
    let full = Full::mount(&logs);
    let stage = Stage::new(|setting| setting.state = directory.path().join("state"));
    let supervisor = stage.connect().await;
    let done = stage.directory.path().join("done");
    let mut events = supervisor.events(None).await.unwrap();
    apply(&supervisor, plan(1, vec![instance("api-1", &flood(&done))])).await;
    number_in(&done);
    let dropped = async {
        loop {
            let update = events.next().await.unwrap().unwrap();
            if let supervisor::Update::Event(event) = update
                && let supervisor::EventKind::Instance { event, .. } = event.kind
                && let supervisor::InstanceEvent::OutputDropped { lines } = event
            {
                return lines;
            }
        }
    };
    let dropped = tokio::time::timeout(crate::stage::PATIENCE, dropped).await.unwrap();
    assert!(0 < dropped);
    instance_in(&supervisor, "api-1", Phase::Ready).await;
    status_when(&supervisor, "the supervisor is unharmed", |status| {
        (status.instances.first()?.restarts == 0).then_some(())
    })
    .await;
    drop(stage);
    drop(full);
}
