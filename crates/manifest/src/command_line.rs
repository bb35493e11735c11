//! A command as people write it in one line, split into words once.
//!
//! There is no shell: no variables, no pipes, no globs, because what a shell makes of a line
//! differs by machine and a shell between Mainstay and the program swallows signals. Quotes and
//! backslashes group words as in a shell; whoever wants a shell writes `sh -c '…'`.

use crate::cursor::Refusal;

/// A program and its arguments; never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandLine {
    /// As it was written.
    pub text: String,
    words: Vec<String>,
}

impl CommandLine {
    /// Splits a line into words.
    ///
    /// # Errors
    ///
    /// When it is empty, a quote is not closed, or it uses what only a shell understands.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let words = split(text)?;
        if words.first().is_none_or(String::is_empty) {
            return Err(Refusal::new("the command is empty", "write a program and its arguments"));
        }
        let of_a_shell = |word: &&String| {
            matches!(word.as_str(), "|" | "||" | "&&" | ";" | "&" | ">" | ">>" | "<")
        };
        if let Some(word) = words.iter().find(of_a_shell) {
            let message = format!("`{word}` means something only to a shell, and none is involved");
            return Err(Refusal::new(message, "write `sh -c '…'`, or put it into a script"));
        }
        Ok(Self { text: text.to_owned(), words })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The program and its arguments.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

fn split(text: &str) -> Result<Vec<String>, Refusal> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let Some(escaped) = letters.next() else {
                    return Err(Refusal::new("the command ends in a backslash", "remove it"));
                };
                word.get_or_insert_default().push(escaped);
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        let message = format!("the quote {open} is not closed in `{text}`");
        return Err(Refusal::new(message, "close it, or put a backslash before it"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_would() {
        let check = |text: &str, words: &[&str]| {
            assert_eq!(CommandLine::parse(text).unwrap().words(), words, "{text}");
        };
        check("api report", &["api", "report"]);
        check("  a   b ", &["a", "b"]);
        check("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]);
        check("a '' b", &["a", "", "b"]);
        check("sh -c 'a | b'", &["sh", "-c", "a | b"]);
    }

    #[test]
    fn a_line_without_a_program_or_for_a_shell_is_refused() {
        for text in ["", "  ", "''", "'a", "a \\", "a | b", "a && b", "a > b"] {
            assert!(CommandLine::parse(text).is_err(), "{text}");
        }
    }
}
