//! Text that others wrote, made fit for a terminal; and small formats that several views share.

use std::io::{self, Write as _};

use unicode_width::UnicodeWidthChar as _;

/// Leaves of the control sequences only those for colours, or none: a log line must not move the
/// cursor, change the title or answer questions in the reader's place.
pub(crate) fn sanitized(text: &str, colour: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut coloured = false;
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                let sequence = escape_sequence(&mut chars);
                if let Some(sequence) = sequence.filter(|_| colour) {
                    out.push_str(&sequence);
                    coloured = true;
                }
            }
            '\t' => out.push_str("    "),
            '\u{9b}' | '\u{90}' | '\u{9d}' => {}
            c if c.is_control() => {}
            // Marks that reorder text could make a line read as another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => out.push(c),
        }
    }
    if coloured {
        out.push_str("\x1b[0m");
    }
    out
}

/// The rest of a sequence; returned only when it sets colours.
fn escape_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    match chars.next()? {
        '[' => {
            let mut parameters = String::new();
            for c in chars.by_ref() {
                if ('\x40'..='\x7e').contains(&c) {
                    let plain = parameters.chars().all(|c| c.is_ascii_digit() || c == ';');
                    return (c == 'm' && plain).then(|| format!("\x1b[{parameters}m"));
                }
                parameters.push(c);
                if 64 < parameters.len() {
                    return None;
                }
            }
            None
        }
        // Strings end with BEL or ESC \.
        ']' | 'P' | '_' | '^' | 'X' => {
            let mut before = ' ';
            for c in chars.by_ref() {
                if c == '\x07' || (before == '\x1b' && c == '\\') {
                    break;
                }
                before = c;
            }
            None
        }
        _ => None,
    }
}

/// Cuts or fills text to exactly so many columns; what was cut off is marked.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    let width = width(&out);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width)));
    out
}

/// Cuts text to at most so many columns; what was cut off is marked.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let next = c.width().unwrap_or(0);
        if columns < used + next + 1 {
            break;
        }
        used += next;
        out.push(c);
    }
    if used < columns {
        out.push('…');
    }
    out
}

/// The columns that text takes.
pub(crate) fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// "1 service", "2 services".
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Puts a terminal back that a live view may have changed; harmless otherwise.
pub(crate) fn restore_terminal() {
    if crossterm::terminal::is_raw_mode_enabled().unwrap_or(false) {
        // Nothing better can be done when the terminal has gone.
        drop(crossterm::terminal::disable_raw_mode());
        drop(io::stdout().write_all(b"\x1b[?1049l\x1b[?25h\x1b[0m"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_survive() {
        let check = |text: &str, plain: &str, coloured: &str| {
            assert_eq!(sanitized(text, false), plain, "{text:?}");
            assert_eq!(sanitized(text, true), coloured, "{text:?}");
        };
        check("plain", "plain", "plain");
        check("\x1b[31mred\x1b[0m", "red", "\x1b[31mred\x1b[0m\x1b[0m");
        check("\x1b[2J\x1b[Hgone", "gone", "gone");
        check("\x1b]0;title\x07x", "x", "x");
        check("\x1b]52;c;AAAA\x1b\\x", "x", "x");
        check("a\rb\x08\tc\x1b", "ab    c", "ab    c");
        check("\u{202e}evil", "evil", "evil");
        check("\x1b[6n?", "?", "?");
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(fitted("abc", 5), "abc  ");
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(fitted("日本語", 4), "日… ");
        assert_eq!(cut("abc", 0), "");
    }
}
