//! The API of the reconciliation application, and the small commands around it.

mod cache;
mod config;
mod database;
mod flags;
mod http;
mod log;
mod matching;
mod metrics;
mod problem;
mod report;
mod runs;
mod sample;
mod statement;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use crate::cache::Cache;
use crate::config::{Config, FlagSources};
use crate::database::Database;
use crate::metrics::Metrics;
use crate::runs::Runner;

/// What requests and the run at hand get after SIGTERM.
const DRAIN: Duration = Duration::from_secs(30);

const USAGE: &str = "usage: reconciliation-api [COMMAND]

  serve             the API (what runs without a command)
  report            a page of counts
  generate --out DIR [--lines N] [--seed N]
                    sample files and their right answer
  hash-password     reads a password, prints what `accounts` keeps of it
";

/// What every request may use.
pub struct App {
    pub database: Database,
    pub cache: Cache,
    pub metrics: Metrics,
    pub jwt_secret: Vec<u8>,
    pub flags: FlagSources,
    pub seen: http::health::Seen,
    /// Told when there is a new run.
    pub wake: Notify,
    /// True from SIGTERM on.
    pub stopping: watch::Receiver<bool>,
}

impl App {
    /// Connects to nothing yet; must be called inside the runtime.
    fn new(config: &Config, stopping: watch::Receiver<bool>) -> Result<Self, String> {
        let cache = Cache::new(config.redis.clone())
            .map_err(|error| format!("REDIS_URL cannot be used: {error}"))?;
        Ok(Self {
            database: Database::new(config),
            cache,
            metrics: Metrics::new(),
            jwt_secret: config.jwt_secret.clone(),
            flags: config.flags.clone(),
            seen: http::health::Seen::default(),
            wake: Notify::new(),
            stopping,
        })
    }
}

fn main() -> ExitCode {
    return_large_blocks();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["serve"] => with_config(serve),
        ["report"] => with_config(print_report),
        ["generate", options @ ..] => generate(options),
        ["hash-password"] => hash_password(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => fail(2, USAGE),
    }
}

/// Makes the allocator give blocks of a megabyte and more back to the system when they are freed.
///
/// Left alone, glibc learns from the first password (19 MB to hash) and the first upload to keep
/// such blocks, once per thread: twenty logins at once left 350 MB behind, now 8 MB.
fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it only sets a number, and no other thread exists yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

fn with_config<F: Future<Output = ExitCode>>(command: fn(Config) -> F) -> ExitCode {
    let config = match config::parse(&|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(message) => {
            return fail(config::EXIT_CODE, &format!("reconciliation-api: {message}\n"));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Two hash, two parse, one matches.
        .max_blocking_threads(6)
        .enable_all()
        .build()
        .expect("the system gives threads");
    let code = runtime.block_on(command(config));
    // Work on blocking threads that outlived the deadline is not waited for.
    runtime.shutdown_background();
    code
}

async fn serve(config: Config) -> ExitCode {
    // First, so that a SIGTERM during the start ends it in order, too.
    let mut terminate = signal(SignalKind::terminate()).expect("a handler can be installed");
    let mut interrupt = signal(SignalKind::interrupt()).expect("a handler can be installed");
    let (stop, stopping) = watch::channel(false);
    let prepared = config::address(&|name| std::env::var(name).ok())
        .and_then(|address| Ok((address, App::new(&config, stopping)?)));
    let (address, app) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => {
            return fail(config::EXIT_CODE, &format!("reconciliation-api: {message}\n"));
        }
    };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            let message = format!("reconciliation-api: cannot listen on {address}: {error}\n");
            return fail(1, &message);
        }
    };
    log::info("listening", &[("address", address.to_string().into())]);
    let serving = tokio::spawn(work(Arc::new(app), listener));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log::info("stopping", &[]);
    // No receiver left would mean that all of it has ended already.
    let _ = stop.send(true);
    let ended = serving.await;
    log::info("stopped", &[]);
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Serves and works until the application is told to stop, and then finishes what it can.
async fn work(app: Arc<App>, listener: TcpListener) {
    let relay = tokio::spawn({
        let app = app.clone();
        async move { app.cache.relay_progress().await }
    });
    let runner = Arc::new(Runner::new(app.clone()));
    let runs = tokio::spawn({
        let (app, runner) = (app.clone(), runner.clone());
        async move { runner.work(&app.wake, app.stopping.clone()).await }
    });
    let stopping = app.stopping.clone();
    let server = tokio::spawn({
        let stopping = app.stopping.clone();
        let router = http::router(app);
        async move { axum::serve(listener, router).with_graceful_shutdown(told(stopping)).await }
    });

    told(stopping).await;
    let finished = tokio::time::timeout(DRAIN, async { tokio::join!(server, runs) }).await;
    if finished.is_err() {
        log::warn("not finished in time", &[("seconds", DRAIN.as_secs().into())]);
        match runner.release().await {
            Ok(runs) => log::info("given to another instance", &[("runs", runs.into())]),
            Err(error) => log::warn("not given back", &[("reason", error.to_string().into())]),
        }
    }
    relay.abort();
}

/// Waits until the application is told to stop.
async fn told(mut stopping: watch::Receiver<bool>) {
    // An error says that nobody is left to tell, which is the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn print_report(config: Config) -> ExitCode {
    match report::render(&Database::new(&config), &Metrics::new()).await {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(1, &format!("reconciliation-api: no report: {error}\n")),
    }
}

fn generate(options: &[&str]) -> ExitCode {
    let mut directory = None;
    let mut sample = sample::Options { lines: 10_000, seed: 1 };
    for option in options.chunks(2) {
        let understood = match option {
            ["--out", path] => {
                directory = Some(PathBuf::from(path));
                true
            }
            ["--lines", number] => number.parse().map(|lines| sample.lines = lines).is_ok(),
            ["--seed", number] => number.parse().map(|seed| sample.seed = seed).is_ok(),
            _ => false,
        };
        if !understood {
            return fail(2, USAGE);
        }
    }
    let Some(directory) = directory.filter(|_| sample.lines <= statement::MAX_LINES) else {
        return fail(2, USAGE);
    };
    match sample::write(&sample, &directory) {
        Ok(counts) => {
            println!("{} lines each in {}", counts.bank_lines, directory.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            fail(1, &format!("reconciliation-api: cannot write {}: {error}\n", directory.display()))
        }
    }
}

fn hash_password() -> ExitCode {
    let mut password = String::new();
    if let Err(error) = std::io::stdin().read_line(&mut password) {
        return fail(1, &format!("reconciliation-api: no password: {error}\n"));
    }
    match http::auth::hash_password(password.trim_end_matches(['\r', '\n'])) {
        Ok(hash) => {
            println!("{hash}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(1, &format!("reconciliation-api: cannot hash: {error}\n")),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprint!("{message}");
    ExitCode::from(code)
}
