//! The thread that writes files, so that a slow or full disk never holds up a process, nor the
//! supervisor.
//!
//! What waits is bounded by bytes. Beyond that lines are dropped and counted, and the count is
//! written where the lines would have stood as soon as the disk takes something again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jiff::Timestamp;
use runtime::StateFile;

use crate::log_line::{Stream, file_name, timestamp};
use crate::options::Rotation;

/// The most bytes of output that wait for the disk, all processes together.
const WAITING: usize = 8 << 20;

/// The most orders that wait; each is a chunk of output, so that bytes run out first.
const ORDERS: usize = 4096;

/// What the thread is asked to do.
#[derive(Debug)]
enum Order {
    Append { id: Arc<str>, service: Arc<str>, text: Vec<u8>, lines: u64 },
    Record(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    orders: SyncSender<Order>,
    waiting: Arc<AtomicUsize>,
}

/// What the thread could not do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// So many lines of this id never reached the disk.
    Lines { id: Arc<str>, lines: u64 },
    /// The supervisor's record could not be written.
    Record { reason: String },
}

/// Told from the thread.
pub(crate) type Report = Box<dyn Fn(Trouble) + Send>;

impl Disk {
    /// Starts the thread.
    pub(crate) fn start(
        logs: PathBuf,
        record: StateFile,
        rotation: Rotation,
        report: Report,
    ) -> io::Result<Self> {
        fs::create_dir_all(&logs)?;
        let (orders, receiver) = sync_channel(ORDERS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            logs,
            record,
            rotation,
            report,
            waiting: Arc::clone(&waiting),
            files: HashMap::new(),
        };
        std::thread::Builder::new()
            .name("disk".to_owned())
            .stack_size(128 << 10)
            .spawn(move || writer.run(&receiver))?;
        Ok(Self { orders, waiting })
    }

    /// Whether lines would be dropped now.
    pub(crate) fn is_full(&self) -> bool {
        WAITING < self.waiting.load(Ordering::Relaxed)
    }

    /// Hands over formatted lines; `false` when they were dropped.
    pub(crate) fn append(
        &self,
        id: &Arc<str>,
        service: &Arc<str>,
        text: Vec<u8>,
        lines: u64,
    ) -> bool {
        let bytes = text.len();
        // Up to one chunk more than the bound, so that a full queue is seen before formatting.
        if WAITING + bytes < self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        let order = Order::Append { id: Arc::clone(id), service: Arc::clone(service), text, lines };
        let taken = self.orders.try_send(order).is_ok();
        if !taken {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken
    }

    /// Hands over the supervisor's record; `false` when the thread is too far behind.
    pub(crate) fn record(&self, content: Vec<u8>) -> bool {
        self.orders.try_send(Order::Record(content)).is_ok()
    }

    /// Waits until everything handed over so far was written. Blocks; for the very end.
    pub(crate) fn flush(&self) {
        let (sender, receiver) = sync_channel(1);
        if self.orders.send(Order::Flush(sender)).is_ok() {
            // An error means that the thread is gone, and nothing is left to wait for.
            receiver.recv().ok();
        }
    }
}

struct Writer {
    logs: PathBuf,
    record: StateFile,
    rotation: Rotation,
    report: Report,
    waiting: Arc<AtomicUsize>,
    files: HashMap<Arc<str>, LogFile>,
}

struct LogFile {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    missing: u64,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut next = None;
        while let Some(order) = next.take().or_else(|| orders.recv().ok()) {
            match order {
                Order::Append { id, service, text, lines } => {
                    self.append(&id, &service, &text, lines);
                    self.waiting.fetch_sub(text.len(), Ordering::Relaxed);
                }
                Order::Record(mut content) => {
                    // Only the newest matters, and each write waits for the disk.
                    while let Ok(after) = orders.try_recv() {
                        if let Order::Record(newer) = after {
                            content = newer;
                        } else {
                            next = Some(after);
                            break;
                        }
                    }
                    if let Err(error) = self.record.write(&content) {
                        let reason = chain(&error);
                        (self.report)(Trouble::Record { reason });
                    }
                }
                Order::Flush(done) => {
                    done.send(()).ok();
                }
            }
        }
    }

    fn append(&mut self, id: &Arc<str>, service: &Arc<str>, text: &[u8], lines: u64) {
        // Jobs come and go; a file that is closed is simply opened again.
        if 256 < self.files.len() {
            self.files.clear();
        }
        let log = self.files.entry(Arc::clone(id)).or_insert_with(|| {
            let path = self.logs.join(format!("{}.log", file_name(id)));
            LogFile { path, file: None, bytes: 0, missing: 0 }
        });
        if log.append(text, service, self.rotation).is_err() {
            log.missing += lines;
            // The length on disk is unknown after a failed write.
            log.file = None;
            (self.report)(Trouble::Lines { id: Arc::clone(id), lines });
        }
    }
}

impl LogFile {
    fn append(&mut self, text: &[u8], service: &str, rotation: Rotation) -> io::Result<()> {
        let length = text.len() as u64;
        if self.file.is_some() && rotation.bytes < self.bytes + length {
            self.file = None;
            rotate(&self.path, rotation.files);
        }
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let mut options = OpenOptions::new();
            let mut file = options.append(true).create(true).mode(0o640).open(&self.path)?;
            self.bytes = file.metadata()?.len();
            if self.bytes == 0 {
                let head = remark(&format!("service={service}"));
                file.write_all(head.as_bytes())?;
                self.bytes = head.len() as u64;
            } else {
                // A crash or a full disk may have left half a line.
                end_line(&self.path, &mut file)?;
            }
            self.file.insert(file)
        };
        if 0 < self.missing {
            let remark = remark(&format!("{} lines are missing: disk full", self.missing));
            file.write_all(remark.as_bytes())?;
            self.bytes += remark.len() as u64;
            self.missing = 0;
        }
        file.write_all(text)?;
        self.bytes += length;
        Ok(())
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A line of the supervisor's own.
pub(crate) fn remark(text: &str) -> String {
    format!("{} {} {text}\n", timestamp(Timestamp::now()), Stream::Sys)
}

fn end_line(path: &Path, file: &mut File) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let mut last = [b'\n'];
    let length = file.metadata()?.len();
    File::open(path)?.read_exact_at(&mut last, length.saturating_sub(1))?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// `a.log` becomes `a.log.1`, and so on; the oldest is removed.
fn rotate(path: &Path, files: u32) {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        if 0 < number {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    for number in (1..files.max(1)).rev() {
        // Where there is nothing to rename, nothing is missing.
        fs::rename(numbered(number - 1), numbered(number)).ok();
    }
    if files <= 1 {
        fs::remove_file(path).ok();
    }
}
