//! The supervisor's facts as sentences for people.
//!
//! Only what a person would want to be told becomes an event; the rest is in the status anyway.

use base::format_duration;
use supervisor::{EventKind as Fact, InstanceEvent, JobEnd, JobEvent, JobResult, PlatformEvent};

use crate::{Event, EventKind, Level};

/// The sentence for a fact, unless nobody needs to be told.
pub(crate) fn narrate(fact: &Fact, at: i64) -> Option<Event> {
    match fact {
        Fact::Instance { instance, service, event } => {
            let (level, text, detail) = instance_event(event)?;
            let mut event = sentence(at, level, service, EventKind::Instance, text);
            event.instance = Some(instance.clone());
            event.detail = detail;
            Some(event)
        }
        Fact::Job { job, service, event } => {
            let JobEvent::OutputDropped { lines } = event else { return None };
            let text = format!("{lines} lines of `{job}` were dropped: the disk did not keep up");
            Some(sentence(at, Level::Warning, service, EventKind::Job, text))
        }
        Fact::Platform { name, event } => {
            let (level, text) = platform_event(event)?;
            Some(sentence(at, level, name, EventKind::Platform, text))
        }
        Fact::Notice { text } => {
            Some(sentence(at, Level::Warning, "mainstay", EventKind::Platform, text.clone()))
        }
        Fact::Stop(_) => None,
    }
}

pub(crate) fn sentence(
    at: i64,
    level: Level,
    subject: &str,
    kind: EventKind,
    text: impl Into<String>,
) -> Event {
    Event {
        id: 0,
        at,
        level,
        subject: subject.to_owned(),
        instance: None,
        kind,
        text: text.into(),
        detail: Vec::new(),
    }
}

fn instance_event(event: &InstanceEvent) -> Option<(Level, String, Vec<String>)> {
    let none = Vec::new;
    Some(match event {
        InstanceEvent::Started { pid } => (Level::Info, format!("started, process {pid}"), none()),
        InstanceEvent::StartupPassed | InstanceEvent::Stopping => return None,
        InstanceEvent::Ready => (Level::Info, "ready".to_owned(), none()),
        InstanceEvent::Unready { reason } => {
            (Level::Warning, format!("not ready: {reason}"), none())
        }
        InstanceEvent::Failed { reason } => {
            (Level::Error, format!("could not be started: {reason}"), none())
        }
        InstanceEvent::PortOccupied { address, holder } => {
            let by = holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default();
            (Level::Error, format!("its port {address} is occupied{by}"), none())
        }
        InstanceEvent::Exited { reason, last_lines, .. } => {
            (Level::Error, reason.clone(), last_lines.clone())
        }
        InstanceEvent::BackOff { delay } => {
            (Level::Warning, format!("starts again in {}", format_duration(*delay)), none())
        }
        InstanceEvent::CrashLoop { exits, within, last_lines } => (
            Level::Error,
            format!("keeps ending: {exits} times within {}", format_duration(*within)),
            last_lines.clone(),
        ),
        InstanceEvent::Killed { reason } => (Level::Warning, format!("killed: {reason}"), none()),
        InstanceEvent::Stopped => (Level::Info, "stopped".to_owned(), none()),
        InstanceEvent::LimitNotice { text } => (Level::Warning, text.clone(), none()),
        InstanceEvent::OutputDropped { lines } => {
            let text = format!("{lines} lines were dropped: the disk did not keep up");
            (Level::Warning, text, none())
        }
    })
}

fn platform_event(event: &PlatformEvent) -> Option<(Level, String)> {
    Some(match event {
        PlatformEvent::Started { .. } | PlatformEvent::Stopped => return None,
        PlatformEvent::Failed { reason } => {
            (Level::Error, format!("could not be started: {reason}"))
        }
        PlatformEvent::Exited { code: Some(code), .. } => {
            (Level::Error, format!("exited with {code}, started again"))
        }
        PlatformEvent::Exited { signal, .. } => {
            (Level::Error, format!("killed by signal {}, started again", signal.unwrap_or(0)))
        }
        PlatformEvent::BackOff { delay } => {
            (Level::Error, format!("keeps ending; starts again in {}", format_duration(*delay)))
        }
    })
}

/// How a job ended, as one line.
pub(crate) fn job_end(result: &JobResult) -> String {
    let millis = u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX);
    let coarse = std::time::Duration::from_millis(if millis < 10_000 {
        millis
    } else {
        millis / 1_000 * 1_000
    });
    let after = format_duration(coarse);
    match &result.ended {
        JobEnd::Exited { code: 0 } => format!("done in {after}"),
        JobEnd::Exited { code } => format!("exited with {code} after {after}"),
        JobEnd::Signal { reason, .. } => format!("{reason} after {after}"),
        JobEnd::Failed { reason } => reason.clone(),
        JobEnd::TimedOut => format!("took longer than its deadline, {after}"),
        JobEnd::Cancelled => format!("cancelled after {after}"),
    }
}
