//! A run with the real PostgreSQL and Redis, as a user has it: made, migrated, replicated,
//! connected to, kept, deleted.

use std::io::Write as _;
use std::process::Stdio;

use crate::stage::answer;
use crate::up::{Run, eventually, port};

const DATABASE: &str = "[database.db]\nengine = \"postgres\"\nreplicas = 1\n\
    migrations = { path = \"migrations\" }\n\
    [cache.cache]\nengine = \"redis\"\npersist = \"aof\"\n";

/// A project whose one service uses everything; `variable` is there to be changed.
fn project(variable: &str, port: u16) -> String {
    format!(
        "[service.app]\nrun = \"sh -c 'echo variable is $VARIABLE; exec sleep 1000'\"\n\
         env = {{ VARIABLE = \"{variable}\", DB = \"@db\", READ = \"@db.replica\", CACHE = \"@cache\" }}\n\
         {DATABASE}[listener.web]\naddress = \"127.0.0.1:{port}\"\n[env.dev]\nwatch = true\n"
    )
}

impl Run {
    /// What a client that `connect` starts answers to a line.
    fn ask(&self, database: &str, line: &str) -> String {
        let mut command = self.stage.command(&["connect", database]);
        let mut client = command
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        client.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        answer(client.wait_with_output().unwrap()).expect(0).out.clone()
    }

    fn migration(&self, name: &str, sql: &str) {
        self.stage.write(&format!("migrations/{name}"), sql);
    }
}

#[test]
fn databases_are_made_migrated_replicated_kept_and_deleted() {
    let run = Run::new(&project("one", port()));
    run.migration("001_notes.up.sql", "create table notes (text text);");
    run.migration("001_notes.down.sql", "drop table notes;");
    run.up().expect(0).says("001_notes");
    run.ask("db", "insert into notes values ('kept');\n");
    eventually("the replica's copy", || {
        run.ask("db.replica", "select text from notes;\n").contains("kept")
    });
    assert!(run.ask("db.replica", "select pg_is_in_recovery();\n").contains(" t"));
    assert!(run.ask("cache", "set greeting hello\nget greeting\n").contains("hello"));

    run.run(&["down"]).expect(0).says("0 processes, 0 ports, 0 sockets left");
    run.up().expect(0);
    assert!(run.ask("db", "select text from notes;\n").contains("kept"));
    assert!(run.ask("cache", "get greeting\n").contains("hello"));
    run.run(&["migrate", "down"]).expect(0).says("001_notes");
    run.run(&["migrate", "status"]).expect(0).says("not applied");
    run.run(&["migrate", "up"]).expect(0).says("001_notes");

    run.run(&["down", "--data"]).expect(12);
    run.run(&["down", "--data", "--yes"]).expect(0);
    run.up().expect(0).says("001_notes");
    assert!(run.ask("db", "select count(*) from notes;\n").contains(" 0"));
}

#[test]
fn a_failing_migration_leaves_the_previous_version_serving() {
    let port = port();
    let run = Run::new(&project("one", port));
    run.migration("001_notes.up.sql", "create table notes (text text);");
    run.up().expect(0);
    let says = |text: &str| run.run(&["logs", "app"]).out.contains(text);
    eventually("the first version", || says("variable is one"));

    run.migration("002_broken.up.sql", "create tabel other (id int);");
    let manifest = format!("format = 1\napp = \"shop\"\n{}", project("two", port));
    run.stage.write("mainstay.toml", &manifest);
    let events = || run.run(&["events"]).out;
    eventually("the failure", || events().contains("`002_broken.up.sql` line 1"));
    run.run(&["status"]).expect(1).says("waits for db/migrate");
    assert!(!says("variable is two"), "the new version waits for its migration");

    run.migration("002_broken.up.sql", "create table other (id int);");
    eventually("the new version", || says("variable is two"));
    eventually("the end of it", || run.run(&["status"]).code == 0);
}
