//! Migrations against a real server: order, checksums, transactions, two runners, the way back.

use std::path::Path;

use control::migrations::{self, MigrationError};
use plan::{MigrationPlan, Template};
use runtime::StateFile;

use crate::server::Server;

struct Project {
    server: Server,
    directory: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { server: Server::start(), directory: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &str) {
        StateFile::public(self.path().join(name)).write(text.as_bytes()).unwrap();
    }

    fn plan(&self) -> MigrationPlan {
        MigrationPlan {
            database: "db".into(),
            url: Template::default(),
            directory: self.path().to_owned(),
            digest: String::new(),
            undo_required: false,
        }
    }

    async fn up(&self) -> Result<Vec<String>, MigrationError> {
        migrations::up(&self.server.url(), &self.plan(), false).await
    }
}

const ONE: (&str, &str) = ("001_one.up.sql", "create table one (id int);");
const ONE_DOWN: (&str, &str) = ("001_one.down.sql", "drop table one;");
const TWO: (&str, &str) = ("002_two.up.sql", "create table two (id int);");

#[tokio::test]
async fn each_is_applied_once_and_undone_in_reverse() {
    let project = Project::new(&[ONE, ONE_DOWN, TWO]);
    let dry = migrations::up(&project.server.url(), &project.plan(), true).await.unwrap();
    assert_eq!(dry, ["001_one", "002_two"]);
    assert_eq!(project.up().await.unwrap(), ["001_one", "002_two"]);
    assert!(project.up().await.unwrap().is_empty());
    let url = project.server.url();
    let status = migrations::status(&url, &project.plan()).await.unwrap();
    assert!(status.iter().all(|one| one.applied_at.is_some() && one.problem.is_none()));
    let stuck = migrations::down(&url, &project.plan(), 1, false).await.unwrap_err();
    assert!(matches!(stuck, MigrationError::NoWayBack { number: 2, .. }), "{stuck}");
    project.write("002_two.down.sql", "drop table two;");
    let undone = migrations::down(&url, &project.plan(), 2, false).await.unwrap();
    assert_eq!(undone, ["002_two", "001_one"]);
    assert_eq!(project.up().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_applied_is_an_error() {
    let project = Project::new(&[ONE]);
    project.up().await.unwrap();
    project.write(ONE.0, "create table one (id int, name text);");
    let error = project.up().await.unwrap_err().to_string();
    assert!(error.contains("`001_one` was changed after it was applied"), "{error}");
}

#[tokio::test]
async fn a_number_below_the_newest_applied_is_an_error() {
    let project = Project::new(&[TWO]);
    project.up().await.unwrap();
    project.write(ONE.0, ONE.1);
    let error = project.up().await.unwrap_err().to_string();
    assert!(error.contains("older than 002"), "{error}");
}

#[tokio::test]
async fn a_failing_one_leaves_nothing_of_itself_and_names_its_line() {
    let broken = "create table half (id int);\n\ncreate tabel other (id int);";
    let project = Project::new(&[ONE, ("002_broken.up.sql", broken)]);
    let error = project.up().await.unwrap_err();
    assert!(error.to_string().contains("`002_broken.up.sql` line 3"), "{error}");
    project.write("002_broken.up.sql", "create table half (id int);");
    assert_eq!(project.up().await.unwrap(), ["002_broken"]);
}

#[tokio::test]
async fn two_runners_do_not_meet() {
    let slow = "select pg_sleep(0.5); create table slow (id int);";
    let project = Project::new(&[("001_slow.up.sql", slow)]);
    let (first, second) = tokio::join!(project.up(), project.up());
    let mut applied = first.unwrap();
    applied.extend(second.unwrap());
    assert_eq!(applied, ["001_slow"]);
}

#[tokio::test]
async fn what_cannot_run_in_a_transaction_runs_without_one() {
    let index = "-- mainstay: no transaction\ncreate index concurrently i on one (id);";
    let project = Project::new(&[ONE, ("002_index.up.sql", index)]);
    assert_eq!(project.up().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_seed_runs_once_for_each_content() {
    let project = Project::new(&[ONE, ("seed", "insert into one values (1);")]);
    project.up().await.unwrap();
    let (url, seed) = (project.server.url(), project.path().join("seed"));
    assert!(migrations::seed(&url, &seed).await.unwrap());
    assert!(!migrations::seed(&url, &seed).await.unwrap());
    project.write("seed", "insert into one values (2);");
    assert!(migrations::seed(&url, &seed).await.unwrap());
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_said_so() {
    let url = base::Secret::new("postgres://nobody@127.0.0.1:1/nothing".into());
    let error = migrations::reach(&url, std::time::Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains("cannot connect"), "{error}");
}
