//! Reads what a process writes, line by line, whatever happens to the disk: a process must never
//! wait because somebody else does not read.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::net::unix::pipe;

use crate::disk::Disk;
use crate::log_line::{CUT, LONGEST, Stream, timestamp};

/// So many last lines are told when a process ends.
const LAST_LINES: usize = 20;

/// The most characters of each of them.
const LAST_LINE_LENGTH: usize = 500;

/// How much is read at once; a pipe holds as much.
const CHUNK: usize = 64 << 10;

/// Where the output of one process goes.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    id: Arc<str>,
    service: Arc<str>,
    /// Where it is kept; nowhere for what only matters until it ends.
    disk: Option<Disk>,
    tail: Arc<Mutex<Tail>>,
}

#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    dropped: u64,
}

impl Output {
    /// Output that goes to the log of `id`.
    pub(crate) fn new(id: &str, service: &str, disk: Option<Disk>) -> Self {
        Self { id: id.into(), service: service.into(), disk, tail: Arc::default() }
    }

    /// What was written last.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.tail().lines.iter().cloned().collect()
    }

    /// Forgets what was written last: another process begins.
    pub(crate) fn begin(&self) {
        self.tail().lines.clear();
    }

    /// Counts lines that were taken but never reached the disk.
    pub(crate) fn count_dropped(&self, lines: u64) {
        self.tail().dropped += lines;
    }

    /// How many lines were dropped since the last call.
    pub(crate) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.tail().dropped)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        // A line that could not be remembered is no reason to stop remembering.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a pipe to its end. Safe to drop; what was not read by then is lost.
    pub(crate) async fn capture(self, pipe: pipe::Receiver, stream: Stream) {
        let mut lines =
            Lines { output: self, stream, partial: Vec::new(), cutting: false, lost: 0 };
        loop {
            if pipe.readable().await.is_err() {
                break;
            }
            match lines.read(&pipe) {
                Ok(0) => break,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A pipe that fails is as good as closed.
                Err(_) => break,
            }
        }
        lines.finish();
    }
}

/// Cuts chunks into lines.
#[derive(Debug)]
struct Lines {
    output: Output,
    stream: Stream,
    /// The beginning of a line whose end was not read yet.
    partial: Vec<u8>,
    /// Whether that line is too long already, so that its rest is left out.
    cutting: bool,
    /// Lines dropped since the last that was written.
    lost: u64,
}

impl Lines {
    fn read(&mut self, pipe: &pipe::Receiver) -> io::Result<usize> {
        let mut chunk = [0; CHUNK];
        let length = pipe.try_read(&mut chunk)?;
        self.take(chunk.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn take(&mut self, chunk: &[u8]) {
        // Text that would be dropped is not formatted first: whoever writes that much is not to
        // wait for it.
        if self.output.disk.as_ref().is_some_and(Disk::is_full) {
            self.drop_lines(chunk);
            return;
        }
        let head = format!("{} {} ", timestamp(Timestamp::now()), self.stream);
        let mut text = Vec::with_capacity(chunk.len() * 2);
        let mut count = 0;
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            self.extend(line);
            self.end_line(&head, &mut text);
            count += 1;
        }
        self.extend(rest);
        self.send(text, count);
    }

    fn drop_lines(&mut self, chunk: &[u8]) {
        let Some(last) = memchr::memrchr(b'\n', chunk) else {
            self.extend(chunk);
            return;
        };
        let (lines, rest) = chunk.split_at(last);
        let count = memchr::memchr_iter(b'\n', lines).count() as u64 + 1;
        self.remember(lines, 0);
        self.partial.clear();
        self.cutting = false;
        self.extend(rest.get(1..).unwrap_or_default());
        self.lost += count;
        self.output.tail().dropped += count;
    }

    fn extend(&mut self, part: &[u8]) {
        if self.cutting {
            return;
        }
        let room = LONGEST - self.partial.len();
        self.partial.extend_from_slice(part.get(..room).unwrap_or(part));
        if room < part.len() {
            self.partial.extend_from_slice(CUT.as_bytes());
            self.cutting = true;
        }
    }

    fn end_line(&mut self, head: &str, text: &mut Vec<u8>) {
        if self.partial.last() == Some(&b'\r') {
            self.partial.pop();
        }
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(&self.partial);
        text.push(b'\n');
        self.partial.clear();
        self.partial.shrink_to(1 << 10);
        self.cutting = false;
    }

    fn send(&mut self, text: Vec<u8>, count: u64) {
        if count == 0 {
            return;
        }
        self.remember(&text, 2);
        let output = &self.output;
        let mut whole = text;
        if 0 < self.lost {
            let text = format!("{} lines are missing: the disk did not keep up", self.lost);
            let mut remarked = crate::disk::remark(&text).into_bytes();
            remarked.append(&mut whole);
            whole = remarked;
        }
        let Some(disk) = &output.disk else { return };
        if disk.append(&output.id, &output.service, whole, count) {
            self.lost = 0;
        } else {
            self.lost += count;
            output.tail().dropped += count;
        }
    }

    /// Only the last few of a chunk can be among the last few of all. So many words stand before
    /// each line's own: the time and the stream.
    fn remember(&self, text: &[u8], words: usize) {
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        let mut newest: Vec<String> = body
            .rsplit(|byte| *byte == b'\n')
            .take(LAST_LINES)
            .map(|line| {
                let mut parts = line.splitn(words + 1, |byte| *byte == b' ');
                let line = parts.nth(words).unwrap_or_default();
                String::from_utf8_lossy(line).chars().take(LAST_LINE_LENGTH).collect()
            })
            .collect();
        newest.reverse();
        let mut tail = self.output.tail();
        tail.lines.extend(newest);
        let surplus = tail.lines.len().saturating_sub(LAST_LINES);
        tail.lines.drain(..surplus);
    }

    fn finish(&mut self) {
        if !self.partial.is_empty() {
            self.take(b"\n");
        }
        if 0 < self.lost {
            let output = &self.output;
            let text = format!("{} lines are missing: the disk did not keep up", self.lost);
            let remark = crate::disk::remark(&text).into_bytes();
            if let Some(disk) = &output.disk {
                disk.append(&output.id, &output.service, remark, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use runtime::StateFile;

    use super::*;
    use crate::options::Rotation;

    fn capture(directory: &Path, chunks: &[&[u8]]) -> (String, Vec<String>) {
        let disk = Disk::start(
            directory.join("logs"),
            StateFile::private(directory.join("record")),
            Rotation::default(),
            Box::new(|_| {}),
        )
        .unwrap();
        let output = Output::new("a", "a", Some(disk.clone()));
        let mut lines = Lines {
            output: output.clone(),
            stream: Stream::Out,
            partial: Vec::new(),
            cutting: false,
            lost: 0,
        };
        for chunk in chunks {
            lines.take(chunk);
        }
        lines.finish();
        disk.flush();
        (std::fs::read_to_string(directory.join("logs/a.log")).unwrap(), output.last_lines())
    }

    #[test]
    fn a_line_in_pieces_is_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let (log, last) = capture(directory.path(), &[b"one\ntw", b"o\r\n", b"three"]);
        assert_eq!(log.lines().count(), 4, "{log}");
        assert_eq!(last, ["one", "two", "three"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let long = vec![b'x'; LONGEST];
        let (log, _) = capture(directory.path(), &[&long, &long, b"\nnext\n"]);
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines[1].ends_with(CUT));
        assert!(lines[1].len() < LONGEST + 100);
        assert!(lines[2].ends_with("out next"));
    }
}
