//! The terminal while a live view is on it: alternate screen, no cursor, keys as they are pressed.
//!
//! Whatever happens, the terminal is put back: on drop, and by the panic hook.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use tokio::sync::mpsc;

use crate::output::Output;

/// How often the thread that waits for keys looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(200);

const ENTER: &str = "\x1b[?1049h\x1b[?25l";

/// A key that means something here, or a new size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Key {
    /// Stop everything in order; the second time, cut deadlines short.
    Stop,
    /// Leave it running.
    Detach,
    /// Events or logs.
    Toggle,
    /// The terminal has another size.
    Resized,
    /// The terminal has gone.
    Gone,
}

/// A terminal with a live view on it.
#[derive(Debug)]
pub(crate) struct Screen {
    last: String,
}

impl Screen {
    /// Takes the terminal over; keys arrive at the receiver.
    pub(crate) fn open() -> io::Result<(Self, mpsc::Receiver<Key>)> {
        terminal::enable_raw_mode()?;
        let screen = Self { last: String::new() };
        let mut stdout = io::stdout();
        stdout.write_all(ENTER.as_bytes())?;
        stdout.flush()?;
        let (sender, keys) = mpsc::channel(16);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || watch_keys(&sender))?;
        Ok((screen, keys))
    }

    /// Columns and rows.
    pub(crate) fn size() -> (usize, usize) {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        (usize::from(columns.max(20)), usize::from(rows.max(4)))
    }

    /// Columns for a table: those of the terminal, or enough when nobody watches.
    pub(crate) fn columns(output: &Output) -> usize {
        if output.is_terminal() { Self::size().0 } else { 160 }
    }

    /// Shows the lines, in one write, if they differ from what is there.
    pub(crate) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        // Between these two a terminal that knows them shows nothing half-drawn.
        let mut frame = String::from("\x1b[?2026h\x1b[H");
        for (index, line) in lines.iter().enumerate() {
            if 0 < index {
                frame.push_str("\r\n");
            }
            frame.push_str(line);
            frame.push_str("\x1b[0m\x1b[K");
        }
        frame.push_str("\x1b[J\x1b[?2026l");
        if frame == self.last {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(frame.as_bytes())?;
        stdout.flush()?;
        self.last = frame;
        Ok(())
    }

    /// Makes the next drawing a whole one.
    pub(crate) fn forget(&mut self) {
        self.last.clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        crate::text::restore_terminal();
    }
}

/// Ends when the receiver has gone, at the latest a glance later.
fn watch_keys(keys: &mpsc::Sender<Key>) {
    while !keys.is_closed() {
        match event::poll(GLANCE) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(_gone) => {
                // Nobody listens any more, or learns it now.
                keys.blocking_send(Key::Gone).ok();
                return;
            }
        }
        let key = match event::read() {
            Ok(event) => key_of(&event),
            Err(_gone) => Some(Key::Gone),
        };
        if let Some(key) = key
            && (keys.blocking_send(key).is_err() || key == Key::Gone)
        {
            return;
        }
    }
}

fn key_of(event: &Event) -> Option<Key> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Stop),
            KeyCode::Char('q' | 'Q') => Some(Key::Stop),
            KeyCode::Char('d' | 'D') if key.modifiers.is_empty() => Some(Key::Detach),
            KeyCode::Char('l' | 'L') | KeyCode::Tab => Some(Key::Toggle),
            _ => None,
        },
        Event::Resize(..) => Some(Key::Resized),
        _ => None,
    }
}
