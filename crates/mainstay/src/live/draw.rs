//! The model as lines of a screen of a given size.

use std::fmt::Write as _;
use std::time::Duration;

use control::{AppStatus, Event, Health, InstanceView, Level, Node, NodeKind, RouteView, State};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Model, Pane, Stage};
use crate::output::{Style, paint};
use crate::text::{cut, fitted, sanitized, width};

/// From here on there is room for every column.
const WIDE: usize = 96;

/// Below this only what matters most has room.
const NARROW: usize = 58;

/// The fewest lines that what happens below the tables is given.
const FEWEST_BELOW: usize = 4;

/// Pieces of a line and how they are painted.
#[derive(Debug, Default)]
struct Line {
    pieces: Vec<(Option<Style>, String)>,
}

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self::default().and(text)
    }

    fn styled(style: Style, text: impl Into<String>) -> Self {
        Self::default().and_styled(style, text)
    }

    fn and(mut self, text: impl Into<String>) -> Self {
        self.pieces.push((None, text.into()));
        self
    }

    fn and_styled(mut self, style: Style, text: impl Into<String>) -> Self {
        self.pieces.push((Some(style), text.into()));
        self
    }

    fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| width(text)).sum()
    }

    /// At most so many columns.
    fn render(&self, columns: usize, colour: bool) -> String {
        let mut left = columns;
        let mut out = String::new();
        for (style, text) in &self.pieces {
            let text = cut(text, left);
            left -= width(&text);
            match style {
                Some(style) => out.push_str(&paint(colour, *style, &text)),
                None => out.push_str(&text),
            }
        }
        out.trim_end().to_owned()
    }
}

/// Draws the model; never more lines than there are rows.
pub(crate) fn draw(model: &Model, (columns, rows): (usize, usize), colour: bool) -> Vec<String> {
    let head = head(model, columns);
    let footer = footer(model);
    let mut body = Vec::new();
    if let Some(status) = &model.status {
        body.extend(instances(status, columns));
        body.extend(routes(status, columns));
        body.extend(status.notices.iter().map(|notice| {
            Line::styled(Style::Faint, format!(" note: {}", sanitized(notice, false)))
        }));
    } else {
        body.push(Line::plain(""));
        body.push(Line::styled(Style::Faint, " waiting for control ..."));
    }
    let room = rows.saturating_sub(head.len() + footer.len() + FEWEST_BELOW);
    if room < body.len() {
        let hidden = body.len() - room.saturating_sub(1);
        body.truncate(room.saturating_sub(1));
        body.push(Line::styled(
            Style::Faint,
            format!(" ... {hidden} more lines; a taller window shows them"),
        ));
    }
    let below = rows.saturating_sub(head.len() + body.len() + footer.len());
    let mut lines: Vec<Line> = head;
    lines.extend(body);
    lines.extend(pane(model, below));
    let fill = rows.saturating_sub(lines.len() + footer.len());
    lines.extend((0..fill).map(|_| Line::default()));
    lines.extend(footer);
    lines.truncate(rows);
    lines.iter().map(|line| line.render(columns, colour)).collect()
}

/// The tables alone, for `status`.
pub(crate) fn table(
    status: &AppStatus,
    console: &str,
    columns: usize,
    colour: bool,
) -> Vec<String> {
    let model = Model {
        status: Some(status.clone()),
        console: Some(console.to_owned()),
        now: status.at,
        ..Model::default()
    };
    let mut lines = head(&model, columns);
    lines.extend(instances(status, columns));
    lines.extend(routes(status, columns));
    lines.extend(jobs(status));
    lines.extend(platform(status));
    lines.extend(
        status.notices.iter().map(|notice| {
            Line::styled(Style::Faint, format!(" note: {}", sanitized(notice, false)))
        }),
    );
    lines.iter().map(|line| line.render(columns, colour)).collect()
}

fn jobs(status: &AppStatus) -> Vec<Line> {
    if status.jobs.is_empty() {
        return Vec::new();
    }
    let name = status.jobs.iter().map(|job| width(&job.name)).max().unwrap_or(0).clamp(8, 28);
    let title = format!(" {}  {:<16}  {:<19}  {}", fitted("JOB", name), "SCHEDULE", "NEXT", "LAST");
    let mut lines = vec![Line::default(), Line::styled(Style::Faint, title)];
    for job in &status.jobs {
        let schedule = job.schedule.as_deref().unwrap_or("by hand");
        let next = job.next_at.map(moment).unwrap_or_default();
        let last = match (job.running, &job.last_end, job.last_at) {
            (true, _, _) => "running".to_owned(),
            (false, Some(end), Some(at)) => format!("{end}, {}", moment(at)),
            (false, _, _) => "never ran".to_owned(),
        };
        let name = fitted(&job.name, name);
        lines.push(Line::plain(format!(" {name}  {schedule:<16}  {next:<19}  {last}")));
    }
    lines
}

/// Mainstay's own processes in one line.
fn platform(status: &AppStatus) -> Vec<Line> {
    if status.platform.is_empty() {
        return Vec::new();
    }
    let cpu_millis = status.platform.iter().map(|one| one.cpu_millis).sum();
    let bytes = status.platform.iter().map(|one| one.memory).sum();
    let names: Vec<&str> = status.platform.iter().map(|one| one.name.as_str()).collect();
    let text = format!(" mainstay: {} {} ({})", cpu(cpu_millis), memory(bytes), names.join(", "));
    vec![Line::default(), Line::styled(Style::Faint, text)]
}

fn head(model: &Model, columns: usize) -> Vec<Line> {
    let status = model.status.as_ref();
    let named = status.filter(|status| !status.app.is_empty());
    let app = named.map_or(model.app.as_str(), |status| status.app.as_str());
    let environment = named.map_or(model.environment.as_str(), |status| &status.environment);
    let (word, style, reason) = match (&model.stage, status) {
        (Stage::Stopping { .. }, _) => ("stopping".to_owned(), Style::Warning, None),
        (Stage::Running, None) => ("starting".to_owned(), Style::Warning, None),
        (Stage::Running, Some(status)) => summary(status),
    };
    let age = status.map(|status| age(model.now - status.started_at)).unwrap_or_default();
    let left = Line::default()
        .and(" ")
        .and_styled(Style::Strong, app)
        .and_styled(Style::Faint, format!("  {environment}"));
    let right =
        Line::default().and_styled(style, word).and_styled(Style::Faint, format!("  {age} "));
    let gap = columns.saturating_sub(left.width() + right.width());
    let mut line = left.and(" ".repeat(gap.max(2)));
    line.pieces.extend(right.pieces);
    let mut lines = vec![line];
    let urls = status.map(|status| status.urls.as_slice()).unwrap_or_default();
    for url in urls {
        lines.push(Line::plain(" ").and_styled(Style::Help, url));
    }
    if let Some(console) = &model.console {
        lines.extend(address(console, columns));
    }
    if let Some(reason) = reason {
        lines.push(Line::plain(" ").and_styled(style, sanitized(&reason, false)));
    }
    lines
}

/// The console's address, whole: half a token opens nothing.
fn address(console: &str, columns: usize) -> Vec<Line> {
    let label = " console ";
    if width(label) + width(console) <= columns {
        return vec![Line::styled(Style::Faint, label).and(console)];
    }
    let mut lines = vec![Line::styled(Style::Faint, " console")];
    let mut rest = console;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(columns.max(1)).map_or(rest.len(), |(end, _)| end);
        let (line, after) = rest.split_at(end);
        lines.push(Line::plain(line));
        rest = after;
    }
    lines
}

/// The application's state in a word, and why.
fn summary(status: &AppStatus) -> (String, Style, Option<String>) {
    let (health, style, reason) = health(&status.health);
    match status.state {
        State::Starting => {
            let style = if style == Style::Error { style } else { Style::Warning };
            ("starting".to_owned(), style, reason)
        }
        State::Running => (health.to_owned(), style, reason),
        State::Stopping => ("stopping".to_owned(), Style::Warning, None),
    }
}

/// A health's word, colour and reason.
fn health(health: &Health) -> (&'static str, Style, Option<String>) {
    match health {
        Health::Ok { .. } => ("ok", Style::Good, None),
        Health::Failing { reason, .. } => ("failing", Style::Error, Some(reason.clone())),
        Health::Held { reason, .. } => ("held", Style::Warning, Some(reason.clone())),
        Health::Stale { reason, .. } => ("stale", Style::Warning, Some(reason.clone())),
        Health::NotMeasured { reason, .. } => ("not measured", Style::Faint, Some(reason.clone())),
    }
}

/// The colour of an instance's phase.
fn state_style(phase: &str) -> Style {
    match phase {
        "ready" => Style::Good,
        "waiting" | "starting" | "stopping" | "unready" => Style::Warning,
        "back-off" | "crash-loop" | "failed" | "exited" => Style::Error,
        _ => Style::Faint,
    }
}

fn instances(status: &AppStatus, columns: usize) -> Vec<Line> {
    let is_wide = WIDE <= columns;
    let is_narrow = columns < NARROW;
    let name = status
        .nodes
        .iter()
        .flat_map(|node| node.instances.iter().map(|one| width(&one.id)).chain([width(&node.name)]))
        .max()
        .unwrap_or(0)
        .clamp(8, if is_narrow { 18 } else { 28 });
    let mut title = format!(" {}  {}", fitted("INSTANCE", name), fitted("STATE", 18));
    if !is_narrow {
        let memory = memory_width(columns);
        let _infallible = write!(title, "{:>7}  {:>memory$}", "CPU", "MEMORY");
    }
    if is_wide {
        let _infallible = write!(title, "  {:>8}  {:<21}  KIND", "RESTARTS", "ADDRESS");
    } else if !is_narrow {
        title.push_str("  RST");
    }
    let mut lines = vec![Line::default(), Line::styled(Style::Faint, title)];
    for node in status.nodes.iter().filter(|node| node.kind != NodeKind::Listener) {
        if node.instances.is_empty() {
            lines.push(node_line(node, name));
        }
        for instance in &node.instances {
            lines.push(instance_line(node, instance, name, columns));
        }
        if let (_, style @ (Style::Error | Style::Warning), Some(reason)) = health(&node.health)
            && !node.instances.is_empty()
        {
            let text = format!(" {}  {}", " ".repeat(name), sanitized(&reason, false));
            lines.push(Line::styled(style, text));
        }
    }
    lines
}

/// A wide screen also shows the share of the limit.
const fn memory_width(columns: usize) -> usize {
    if WIDE <= columns { 12 } else { 9 }
}

fn node_line(node: &Node, name: usize) -> Line {
    let (word, style, reason) = health(&node.health);
    let line = Line::plain(format!(" {}  ", fitted(&node.name, name)));
    if node.activity.is_empty() || style == Style::Error {
        let why = reason.filter(|_| style != Style::Good).unwrap_or_default();
        return line
            .and_styled(style, fitted(word, 14))
            .and_styled(Style::Faint, sanitized(&why, false));
    }
    line.and_styled(Style::Warning, sanitized(&node.activity, false))
}

fn instance_line(node: &Node, instance: &InstanceView, name: usize, columns: usize) -> Line {
    let role = instance.role.as_deref().map(|role| format!(" {role}")).unwrap_or_default();
    let id = fitted(&instance.id, name);
    let mut line = Line::plain(format!(" {id}  "))
        .and_styled(state_style(&instance.phase), &instance.phase)
        .and_styled(Style::Faint, role);
    let used = line.width();
    let states_end = name + 3 + 18;
    line = line.and(" ".repeat(states_end.saturating_sub(used)));
    if columns < NARROW {
        return line;
    }
    let memory = match instance.memory_limit {
        Some(limit) if WIDE <= columns => {
            let share = instance.memory.saturating_mul(100) / limit.max(1);
            format!("{} {share:>2}%", memory(instance.memory))
        }
        _ => memory(instance.memory),
    };
    let room = memory_width(columns);
    line = line.and(format!("{:>7}  {memory:>room$}", cpu(instance.cpu_millis)));
    let restarts = instance.restarts.to_string();
    let style = if instance.restarts == 0 { Style::Faint } else { Style::Warning };
    if columns < WIDE {
        return line.and_styled(style, format!("  {restarts:>3}"));
    }
    let address = instance.address.map(|address| address.to_string()).unwrap_or_default();
    line.and_styled(style, format!("  {restarts:>8}"))
        .and_styled(Style::Faint, format!("  {address:<21}  {}", node.detail))
}

fn routes(status: &AppStatus, columns: usize) -> Vec<Line> {
    if status.routes.is_empty() {
        return Vec::new();
    }
    let widest = status.routes.iter().map(|route| width(&route.name)).max().unwrap_or(0);
    let name = widest.clamp(8, if columns < NARROW { 18 } else { 28 });
    let mut title = format!(" {}  {:>8}  {:>8}", fitted("ROUTE", name), "REQ/S", "ERR/S");
    if NARROW <= columns {
        title.push_str("       P95");
    }
    if WIDE <= columns {
        title.push_str("       P50  TO");
    }
    let mut lines = vec![Line::default(), Line::styled(Style::Faint, title)];
    lines.extend(status.routes.iter().map(|route| route_line(route, name, columns)));
    lines
}

fn route_line(route: &RouteView, name: usize, columns: usize) -> Line {
    let failing = 0.0 < route.errors_per_second;
    let style = if failing { Style::Error } else { Style::Faint };
    let mut line =
        Line::plain(format!(" {}  {:>8.1}", fitted(&route.name, name), route.per_second))
            .and_styled(style, format!("  {:>8.1}", route.errors_per_second));
    if NARROW <= columns {
        line = line.and(format!("  {:>8}", millis(route.p95_ms)));
    }
    if WIDE <= columns {
        line =
            line.and_styled(Style::Faint, format!("  {:>8}  {}", millis(route.p50_ms), route.to));
    }
    line
}

/// What happens, or what is written: the newest lines that have room.
fn pane(model: &Model, room: usize) -> Vec<Line> {
    let Some(room) = room.checked_sub(2).filter(|room| 0 < *room) else { return Vec::new() };
    let title = match model.pane {
        Pane::Events => " EVENTS",
        Pane::Logs => " LOGS",
    };
    let mut lines = vec![Line::default(), Line::styled(Style::Faint, title)];
    let content: Vec<Line> = match model.pane {
        Pane::Events => {
            let newest = model.events.iter().rev().take(room);
            newest.map(event_line).collect()
        }
        Pane::Logs => {
            let services = model.log_services();
            let newest = model.logs.iter().rev().take(room);
            newest
                .map(|line| {
                    let number =
                        services.iter().position(|one| *one == line.service).unwrap_or_default();
                    Line::styled(Style::Series(number), format!(" {}  ", line.instance))
                        .and(sanitized(&line.text, false))
                })
                .collect()
        }
    };
    lines.extend(content.into_iter().rev());
    lines
}

fn event_line(event: &Event) -> Line {
    let style = match event.level {
        Level::Info => None,
        Level::Warning => Some(Style::Warning),
        Level::Error => Some(Style::Error),
    };
    let at = time_of_day(event.at);
    let subject = event.instance.as_ref().unwrap_or(&event.subject);
    let line = Line::styled(Style::Faint, format!(" {at}  ")).and(format!("{subject}  "));
    let text = sanitized(&event.text, false);
    match style {
        Some(style) => line.and_styled(style, text),
        None => line.and(text),
    }
}

fn footer(model: &Model) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(remark) = &model.remark {
        lines.push(Line::styled(Style::Warning, format!(" {remark}")));
    }
    let key = |line: Line, key: &str, does: &str| {
        line.and_styled(Style::Strong, format!(" {key} "))
            .and_styled(Style::Faint, format!("{does}  "))
    };
    let line = match &model.stage {
        Stage::Running => {
            let line = key(Line::default(), "q", "stop");
            let line = key(line, "d", "detach, leave it running");
            let other = if model.pane == Pane::Events { "logs" } else { "events" };
            key(line, "l", other)
        }
        Stage::Stopping { waiting, hurried } => {
            let line = Line::styled(Style::Warning, format!(" {waiting}  "));
            if *hurried { line } else { key(line, "Ctrl-C", "do not wait") }
        }
    };
    lines.push(line);
    lines
}

/// `12.3%` of a core.
fn cpu(millis: u32) -> String {
    format!("{:.1}%", f64::from(millis) / 10.0)
}

/// `45.2Mi`
fn memory(bytes: u64) -> String {
    base::Bytes(bytes).to_string()
}

fn millis(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1}ms"),
        Some(ms) if ms < 10_000.0 => format!("{ms:.0}ms"),
        Some(ms) => format!("{:.0}s", ms / 1_000.0),
    }
}

/// `3m12s`, from milliseconds; a clock that went back shows nothing negative.
fn age(millis: i64) -> String {
    let seconds = u64::try_from(millis / 1_000).unwrap_or_default();
    // Seconds do not matter to what has run for hours.
    let shown = if seconds < 3_600 { seconds } else { seconds / 60 * 60 };
    base::format_duration(Duration::from_secs(shown))
}

/// `12:00:01` where the user is.
pub(crate) fn time_of_day(millis: i64) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string(),
        Err(_range) => "--:--:--".to_owned(),
    }
}

/// `2026-01-31 12:00:01` where the user is.
pub(crate) fn moment(millis: i64) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_range) => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::LogView;

    fn instance(id: &str, phase: &str, memory: u64) -> serde_json::Value {
        json!({
            "id": id, "phase": phase, "reason": null, "role": null, "pid": 1,
            "address": "127.0.0.1:27100", "started_at": 0, "restarts": 0,
            "cpu_millis": 123, "memory": memory, "memory_limit": null,
        })
    }

    fn node(
        name: &str,
        health: &serde_json::Value,
        instances: &[serde_json::Value],
    ) -> serde_json::Value {
        json!({
            "name": name, "kind": "service", "detail": "cargo", "health": health,
            "activity": "", "wanted": 1, "instances": instances,
        })
    }

    /// Two instances of `api`, a database with a replica, a failing worker, one that is built.
    fn status() -> AppStatus {
        let ok = json!({ "word": "ok", "since": 0 });
        let failing = json!({ "word": "failing", "reason": "0 of 1 ready, mailer-1: exited with 1", "since": 0 });
        let held = json!({ "word": "held", "reason": "building", "since": 0 });
        let mut building = node("web", &held, &[]);
        building["activity"] = json!("building");
        let mut crashing = instance("mailer-1", "crash-loop", 0);
        crashing["restarts"] = json!(7);
        let mut primary = instance("db-primary", "ready", 96 << 20);
        primary["role"] = json!("primary");
        primary["memory_limit"] = json!(512_u64 << 20);
        serde_json::from_value(json!({
            "app": "reconciliation", "environment": "dev", "state": "running", "health": failing,
            "at": 192_000, "started_at": 0, "generation": 3, "urls": ["http://reconciliation.localhost:8000/"],
            "nodes": [
                node("api", &ok, &[instance("api-1", "ready", 45 << 20), instance("api-2", "starting", 44 << 20)]),
                building,
                node("mailer", &failing, &[crashing]),
                node("db", &ok, &[primary]),
            ],
            "edges": [],
            "routes": [{
                "name": "app/api/", "host": null, "path": "/api/", "to": "api", "requests": 100,
                "errors": 2, "per_second": 124.25, "errors_per_second": 0.4, "p50_ms": 4.2,
                "p95_ms": 41.9, "endpoints": [],
            }],
            "jobs": [], "platform": [], "notices": ["[slo] has no effect yet"],
        }))
        .unwrap()
    }

    fn model() -> Model {
        let mut model = Model {
            status: Some(status()),
            console: Some(
                "http://127.0.0.1:7400/#token=0123456789abcdef0123456789abcdef".to_owned(),
            ),
            now: 192_000,
            ..Model::default()
        };
        for id in 0..30 {
            let event = json!({
                "id": id, "at": 1_000 * id, "level": if id == 29 { "error" } else { "info" },
                "subject": "api", "instance": "api-1", "kind": "instance",
                "text": format!("event number {id} \u{1b}[2Jwith a sequence"), "detail": [],
            });
            model.push_event(serde_json::from_value(event).unwrap());
        }
        model
    }

    fn drawn(model: &Model, columns: usize, rows: usize) -> String {
        let lines = draw(model, (columns, rows), false);
        assert!(lines.len() <= rows, "{} lines in {rows} rows", lines.len());
        for line in &lines {
            assert!(width(line) <= columns, "{line:?} is wider than {columns}");
        }
        lines.join("\n")
    }

    fn check(name: &str, model: &Model, columns: usize, rows: usize) {
        let drawn = drawn(model, columns, rows);
        insta::with_settings!({ filters => vec![(r"\d\d:\d\d:\d\d", "HH:MM:SS")] }, {
            insta::assert_snapshot!(name, drawn);
        });
    }

    #[test]
    fn every_width_shows_what_has_room() {
        check("60", &model(), 60, 30);
        check("80", &model(), 80, 30);
        check("140", &model(), 140, 40);
    }

    #[test]
    fn a_stop_says_what_it_waits_for_and_how_not_to() {
        let waiting = "stopping api-1, api-2".to_owned();
        let stage = Stage::Stopping { waiting, hurried: false };
        let model = Model { stage, ..model() };
        let last = drawn(&model, 80, 24).lines().last().unwrap().to_owned();
        assert_eq!(last, " stopping api-1, api-2   Ctrl-C do not wait");
    }

    #[test]
    fn log_lines_cannot_move_the_cursor() {
        let mut model = Model { pane: Pane::Logs, ..model() };
        model.push_log(LogView {
            at: 0,
            instance: "api-1".to_owned(),
            service: "api".to_owned(),
            stream: "stdout".to_owned(),
            text: "\u{1b}[2J\u{1b}[1;1Hhello\r\n".to_owned(),
        });
        let drawn = drawn(&model, 80, 30);
        assert!(drawn.contains("api-1  hello") && !drawn.contains('\u{1b}'));
    }

    #[test]
    fn no_size_and_no_status_breaks_the_drawing() {
        for model in [model(), Model::default()] {
            for columns in [0, 1, 20, 59, 300] {
                for rows in [0, 1, 4, 12, 100] {
                    draw(&model, (columns, rows), true);
                }
            }
        }
    }
}
