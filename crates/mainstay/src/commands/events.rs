//! `mainstay events`: what happened, and what happens.

use clap::Args;
use control::{Event, Level};
use serde::Deserialize;

use super::Context;
use crate::client::Client;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::live;
use crate::output::{Output, Style};
use crate::place;
use crate::text::sanitized;
use crate::wait;

/// Say what happened
#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// Go on with what happens, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// The newest N
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: u32,
}

#[derive(Deserialize)]
struct Answer {
    events: Vec<Event>,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &EventsArgs) -> Outcome {
    let place = place::of_running(context)?;
    place.require_running()?;
    let client = Client::new(&place.location);
    let out = &context.output;
    let shown = wait::block_on_until_interrupted(async {
        let answer: Answer = client.get(&format!("/api/events?limit={}", args.lines)).await?;
        let mut last = answer.events.last().map_or(0, |event| event.id);
        for event in &answer.events {
            print(out, event)?;
        }
        if !args.follow {
            return Ok(Exit::Done);
        }
        loop {
            let mut stream = client.stream(&format!("/api/stream?after={last}")).await?;
            while let Some(message) = stream.next().await {
                if message.event == "event"
                    && let Ok(event) = serde_json::from_str::<Event>(&message.data)
                {
                    last = event.id;
                    print(out, &event)?;
                }
            }
            place.require_running()?;
        }
    });
    ended_by_the_reader(shown, args.follow)
}

/// Whoever follows ends it with Ctrl-C, which is no failure.
pub(crate) fn ended_by_the_reader(result: Outcome, follow: bool) -> Outcome {
    match result {
        Err(Failure::Said(Exit::Interrupted)) if follow => Ok(Exit::Done),
        other => other,
    }
}

/// Prints an event as a line, with more lines where it has them.
pub(crate) fn print(out: &Output, event: &Event) -> Result<(), Failure> {
    if out.is_json() {
        return out.record(event);
    }
    let style = match event.level {
        Level::Info => None,
        Level::Warning => Some(Style::Warning),
        Level::Error => Some(Style::Error),
    };
    let text = sanitized(&event.text, false);
    let text = style.map_or_else(|| text.clone(), |style| out.style(style, &text));
    let at = out.style(Style::Faint, &live::time_of_day(event.at));
    let subject = event.instance.as_ref().unwrap_or(&event.subject);
    out.line(&format!("{at}  {}  {text}", out.style(Style::Strong, subject)))?;
    for line in &event.detail {
        out.line(&out.style(Style::Faint, &format!("          {}", sanitized(line, false))))?;
    }
    Ok(())
}
