//! Reading what was captured: many files as one stream in the order of time.
//!
//! Files are read line by line and merged by a heap that holds one line per file, so that memory
//! does not grow with the logs. Rotation never renames the file that is being read from under a
//! reader: an open file keeps its content.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use crate::log_line::{LONGEST, id_of, parse};
pub use crate::log_line::{LogLine, Stream};

/// How often a follower looks for more.
const LOOK: Duration = Duration::from_millis(100);

/// The longest line of a file: the text, the mark, the time and the stream.
const LONGEST_IN_FILE: u64 = LONGEST as u64 + 256;

/// Why logs cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read logs in `{}`", path.display())]
pub struct LogsError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these ids or services; none named: all but the platform's own.
    pub of: Vec<String>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Only what matches.
    pub grep: Option<Regex>,
    /// Only the last so many.
    pub limit: Option<usize>,
}

/// A log, and what it belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// The instance, job or platform process.
    pub id: String,
    /// Its service; the id itself for the platform's processes.
    pub service: String,
    /// The newest of its files.
    path: PathBuf,
}

/// Lists the logs of a directory, by id.
///
/// # Errors
///
/// When the directory cannot be read. One that does not exist holds no logs.
pub fn list(directory: &Path) -> Result<Vec<Log>, LogsError> {
    let fail = |source| LogsError { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut logs = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(id) = name.and_then(|name| name.strip_suffix(".log")).and_then(id_of) else {
            continue;
        };
        let service = service(&path).unwrap_or_else(|| id.clone());
        logs.push(Log { id, service, path });
    }
    logs.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(logs)
}

/// The first line of each file says whose it is.
fn service(path: &Path) -> Option<String> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?).take(LONGEST_IN_FILE).read_line(&mut line).ok()?;
    head(&line).map(str::to_owned)
}

fn head(line: &str) -> Option<&str> {
    let (_, stream, text) = parse(line.trim_end())?;
    (stream == Stream::Sys).then(|| text.strip_prefix("service="))?
}

/// Reads what is there, in the order of time. Blocks.
///
/// # Errors
///
/// When a file cannot be read.
pub fn read(directory: &Path, filter: &Filter) -> Result<Lines, LogsError> {
    let mut lines = Lines { files: Vec::new(), heap: BinaryHeap::new(), last: VecDeque::new() };
    for log in list(directory)?.into_iter().filter(|log| filter.wants(log)) {
        let file = LogFiles::open(log, filter)
            .map_err(|source| LogsError { path: directory.to_owned(), source })?;
        lines.files.push(file);
    }
    for index in 0..lines.files.len() {
        lines.refill(index);
    }
    if let Some(limit) = filter.limit {
        let mut last = VecDeque::with_capacity(limit.min(4096));
        for line in &mut lines {
            if last.len() == limit {
                last.pop_front();
            }
            last.push_back(line);
        }
        last.truncate(limit);
        lines.last = last;
    }
    Ok(lines)
}

impl Filter {
    fn wants(&self, log: &Log) -> bool {
        const PLATFORM: [&str; 3] = ["control", "gateway", "keeper"];
        if self.of.is_empty() {
            return !PLATFORM.contains(&log.id.as_str()) || log.service != log.id;
        }
        self.of.iter().any(|name| *name == log.id || *name == log.service)
    }

    fn passes(&self, at: Timestamp, text: &str) -> bool {
        self.since.is_none_or(|since| since <= at)
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(text))
    }
}

/// Lines of several logs in the order of time.
#[derive(Debug)]
pub struct Lines {
    files: Vec<LogFiles>,
    heap: BinaryHeap<Reverse<(Timestamp, usize, Stream, String)>>,
    last: VecDeque<LogLine>,
}

impl Lines {
    fn refill(&mut self, index: usize) {
        let Some(files) = self.files.get_mut(index) else { return };
        if let Some((at, stream, text)) = files.next_wanted() {
            self.heap.push(Reverse((at, index, stream, text)));
        }
    }
}

impl Iterator for Lines {
    type Item = LogLine;

    fn next(&mut self) -> Option<LogLine> {
        if let Some(line) = self.last.pop_front() {
            return Some(line);
        }
        let Reverse((at, index, stream, text)) = self.heap.pop()?;
        self.refill(index);
        let log = &self.files.get(index)?.log;
        Some(LogLine { at, id: log.id.clone(), service: log.service.clone(), stream, text })
    }
}

/// The files of one log, oldest first.
#[derive(Debug)]
struct LogFiles {
    log: Log,
    filter: Filter,
    reader: BufReader<File>,
    /// Newer ones, opened beforehand: a rotation meanwhile must not hide one.
    later: VecDeque<File>,
    at: Timestamp,
}

impl LogFiles {
    fn open(log: Log, filter: &Filter) -> io::Result<Self> {
        let mut files = VecDeque::new();
        let mut path = log.path.clone().into_os_string();
        let mut number = 0_u32;
        while let Ok(file) = File::open(&path) {
            if is_too_old(&file, filter.since) {
                break;
            }
            files.push_front(file);
            number += 1;
            path = log.path.clone().into_os_string();
            path.push(format!(".{number}"));
        }
        let first = match files.pop_front() {
            Some(first) => first,
            None => File::open("/dev/null")?,
        };
        let reader = BufReader::new(first);
        let at = Timestamp::UNIX_EPOCH;
        Ok(Self { log, filter: filter.clone(), reader, later: files, at })
    }

    fn next_wanted(&mut self) -> Option<(Timestamp, Stream, String)> {
        loop {
            let mut bytes = Vec::new();
            let read = (&mut self.reader).take(LONGEST_IN_FILE).read_until(b'\n', &mut bytes);
            // A file that cannot be read any further is as good as at its end.
            if read.unwrap_or(0) == 0 {
                self.reader = BufReader::new(self.later.pop_front()?);
                continue;
            }
            let line = String::from_utf8_lossy(&bytes);
            let line = line.strip_suffix('\n').unwrap_or(&line);
            if let Some((at, stream, text)) = wanted(line, &self.filter) {
                // A clock that was set back does not put lines of one process out of order.
                self.at = self.at.max(at);
                return Some((self.at, stream, text.to_owned()));
            }
        }
    }
}

fn wanted<'a>(line: &'a str, filter: &Filter) -> Option<(Timestamp, Stream, &'a str)> {
    let (at, stream, text) = parse(line)?;
    let is_head = stream == Stream::Sys && text.starts_with("service=");
    (!is_head && filter.passes(at, text)).then_some((at, stream, text))
}

fn is_too_old(file: &File, since: Option<Timestamp>) -> bool {
    let Some(since) = since else { return false };
    file.metadata().is_ok_and(|file| {
        Timestamp::from_second(file.mtime())
            .is_ok_and(|written| written < since - jiff::SignedDuration::from_secs(2))
    })
}

/// What is written from now on.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    filter: Filter,
    tails: Vec<TailOf>,
    waiting: VecDeque<LogLine>,
}

#[derive(Debug)]
struct TailOf {
    log: Log,
    file: File,
    inode: u64,
    offset: u64,
}

/// Follows what is written from now on; read what is there first.
///
/// # Errors
///
/// When a log cannot be read.
pub fn follow(directory: &Path, filter: Filter) -> Result<Follower, LogsError> {
    let mut follower = Follower {
        directory: directory.to_owned(),
        filter,
        tails: Vec::new(),
        waiting: VecDeque::new(),
    };
    follower.open_new(true)?;
    Ok(follower)
}

impl Follower {
    /// The next line. Safe to drop at any time.
    ///
    /// # Errors
    ///
    /// When a log cannot be read.
    pub async fn next(&mut self) -> Result<LogLine, LogsError> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Ok(line);
            }
            self.look()?;
            if self.waiting.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    fn open_new(&mut self, at_end: bool) -> Result<(), LogsError> {
        for log in list(&self.directory)? {
            if !self.filter.wants(&log) || self.tails.iter().any(|tail| tail.log.id == log.id) {
                continue;
            }
            let Ok(file) = File::open(&log.path) else { continue };
            let Ok(metadata) = file.metadata() else { continue };
            let offset = if at_end { metadata.len() } else { 0 };
            self.tails.push(TailOf { log, file, inode: metadata.ino(), offset });
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), LogsError> {
        self.open_new(false)?;
        let mut found = Vec::new();
        for tail in &mut self.tails {
            tail.read(&self.filter, &mut found);
            let renewed = fs::metadata(&tail.log.path).is_ok_and(|file| file.ino() != tail.inode);
            if renewed && let Ok(file) = File::open(&tail.log.path) {
                // What came between the look and the rotation is still in the old file.
                tail.read(&self.filter, &mut found);
                tail.inode = file.metadata().map_or(0, |file| file.ino());
                tail.file = file;
                tail.offset = 0;
                tail.read(&self.filter, &mut found);
            }
        }
        found.sort_by_key(|line| line.at);
        self.waiting.extend(found);
        Ok(())
    }
}

impl TailOf {
    /// Reads whole lines, a bounded number at a time.
    fn read(&mut self, filter: &Filter, found: &mut Vec<LogLine>) {
        const CHUNK: u64 = 1 << 20;
        let mut bytes = Vec::new();
        let read = self
            .file
            .seek(SeekFrom::Start(self.offset))
            .and_then(|_| (&mut self.file).take(CHUNK).read_to_end(&mut bytes));
        // A file that cannot be read now may be later; the offset stays.
        if read.is_err() {
            return;
        }
        let Some(end) = memchr::memrchr(b'\n', &bytes) else { return };
        bytes.truncate(end);
        self.offset += end as u64 + 1;
        for line in String::from_utf8_lossy(&bytes).split('\n') {
            if let Some((at, stream, text)) = wanted(line, filter) {
                found.push(LogLine {
                    at,
                    id: self.log.id.clone(),
                    service: self.log.service.clone(),
                    stream,
                    text: text.to_owned(),
                });
            }
        }
    }
}
