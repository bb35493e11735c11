//! `mainstay logs`: what instances and jobs write, in the order of time; also when nothing runs.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use supervisor::logs::{self, Filter, LogLine};

use super::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Style};
use crate::place::{self, Place};
use crate::server::{LogView, pattern};
use crate::text::{fitted, sanitized, width};
use crate::wait;

/// Show what instances and jobs write, in the order of time
#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// Services or instances; left out: all but Mainstay's own processes
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Go on with what is written, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Not older than this: 10m, 2h, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "AGE")]
    since: Option<String>,
    /// Only lines that match this regular expression
    #[arg(long, value_name = "REGEX")]
    grep: Option<String>,
    /// The last N lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &LogsArgs) -> Outcome {
    let place = place::of_running(context)?;
    let directory = place.location.state.join("logs");
    let filter = filter(args)?;
    check_names(&directory, &place, args)?;
    let mut names = Names::of(&directory)?;
    let out = &context.output;
    // Nobody reads more than a screen or two unasked when it goes on afterwards.
    let limit = if args.follow { args.lines.or(Some(200)) } else { args.lines };
    // Followed first, so that no line falls between what was and what comes.
    let shown = wait::block_on_until_interrupted(async {
        let mut follower = match args.follow {
            true => Some(logs::follow(&directory, filter.clone()).map_err(|error| broken(&error))?),
            false => None,
        };
        let past = Filter { limit, ..filter };
        let mut last = None;
        for line in logs::read(&directory, &past).map_err(|error| broken(&error))? {
            last = Some(line.at);
            print(out, &mut names, line)?;
        }
        while let Some(follower) = &mut follower {
            let line = follower.next().await.map_err(|error| broken(&error))?;
            if last.is_none_or(|last| last < line.at) {
                print(out, &mut names, line)?;
            }
        }
        Ok(Exit::Done)
    });
    super::events::ended_by_the_reader(shown, args.follow)
}

fn filter(args: &LogsArgs) -> Result<Filter, Failure> {
    let grep = args.grep.as_deref().map(pattern).transpose().map_err(|error| {
        Failure::new(Exit::Usage, "`--grep` is not a regular expression").line(error.to_string())
    })?;
    let since = args.since.as_deref().map(since).transpose()?;
    Ok(Filter { of: args.services.clone(), since, grep, limit: None })
}

/// A time, or an age.
fn since(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let age = base::parse_duration(text).map_err(|error| {
        Failure::new(Exit::Usage, format!("`--since`: {}", error.problem)).help(error.remedy)
    })?;
    let long_ago = || Failure::new(Exit::Usage, format!("`--since {text}` is too long ago"));
    Timestamp::now().checked_sub(age).map_err(|_range| long_ago())
}

/// A name that has no log is a typing mistake rather than silence.
fn check_names(directory: &Path, place: &Place, args: &LogsArgs) -> Result<(), Failure> {
    let known = logs::list(directory).map_err(|error| broken(&error))?;
    if known.is_empty() && !args.follow {
        let title = format!("nothing was ever written in `{}`", place.environment);
        return Err(Failure::new(Exit::Unavailable, title).help("run `mainstay up`"));
    }
    let is_known = |name: &String| known.iter().any(|log| log.id == *name || log.service == *name);
    let Some(unknown) = args.services.iter().find(|name| !is_known(name)) else { return Ok(()) };
    let mut names: Vec<&str> = known.iter().map(|log| log.service.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let shown = sanitized(unknown, false);
    Err(Failure::new(Exit::Usage, format!("there are no logs of `{shown}`"))
        .help(manifest::names::remedy(unknown, &names, "see `mainstay status`")))
}

/// What lines begin with: the instance, in its service's colour.
struct Names {
    colours: BTreeMap<String, usize>,
    widest: usize,
}

impl Names {
    fn of(directory: &Path) -> Result<Self, Failure> {
        let known = logs::list(directory).map_err(|error| broken(&error))?;
        let widest = known.iter().map(|log| width(&log.id)).max().unwrap_or(0).min(24);
        let mut colours = BTreeMap::new();
        for log in known {
            let next = colours.len();
            colours.entry(log.service).or_insert(next);
        }
        Ok(Self { colours, widest })
    }

    fn prefix(&mut self, out: &Output, line: &LogLine) -> String {
        let next = self.colours.len();
        let colour = *self.colours.entry(line.service.clone()).or_insert(next);
        out.style(Style::Series(colour), &fitted(&line.id, self.widest.max(8)))
    }
}

fn print(out: &Output, names: &mut Names, line: LogLine) -> Result<(), Failure> {
    if out.is_json() {
        return out.record(&LogView::from(line));
    }
    let at = crate::live::time_of_day(line.at.as_millisecond());
    let prefix = names.prefix(out, &line);
    let at = out.style(Style::Faint, &at);
    out.line(&format!("{at} {prefix} {}", sanitized(&line.text, out.has_colour())))
}

fn broken(error: &logs::LogsError) -> Failure {
    Failure::of(Exit::Unreadable, error)
}
