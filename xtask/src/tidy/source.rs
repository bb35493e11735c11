//! Rust as the rules read it: without comments and literals, so that words in them are not code.

/// The text with every comment, string and character replaced by spaces; lines stay where they are.
pub(super) fn code(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut blanked = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let length =
            literal_or_comment(&characters[at..], at.checked_sub(1).map(|i| characters[i]));
        if length == 0 {
            blanked.push(characters[at]);
            at += 1;
            continue;
        }
        for character in &characters[at..at + length] {
            blanked.push(if *character == '\n' { '\n' } else { ' ' });
        }
        at += length;
    }
    blanked
}

/// The number of lines before the unit tests.
pub(super) fn lines_before_tests(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let is_start = |pair: &[&str]| {
        pair[0].trim() == "#[cfg(test)]"
            && pair[1].trim_start().starts_with("mod ")
            && pair[1].contains('{')
    };
    lines.windows(2).position(is_start).unwrap_or(lines.len())
}

/// The code before the unit tests, line by line, numbered from 1.
pub(super) fn product_lines(code: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(code.lines()).take(lines_before_tests(code))
}

/// Whether `word` stands in `line` as a word of its own.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let of_a_name = |character: char| character.is_alphanumeric() || character == '_';
    let mut pieces = line.split(word).peekable();
    while let Some(before) = pieces.next() {
        let Some(after) = pieces.peek() else { return false };
        if !before.ends_with(of_a_name) && !after.starts_with(of_a_name) {
            return true;
        }
    }
    false
}

/// How many characters the comment or literal at the start of `rest` takes; 0 if there is none.
fn literal_or_comment(rest: &[char], before: Option<char>) -> usize {
    match rest {
        ['/', '/', ..] => until(rest, 2, |tail| tail[0] == '\n'),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest),
        ['r', '"' | '#', ..] if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') => {
            raw(rest)
        }
        ['b' | 'c', 'r', '"' | '#', ..] => match raw(&rest[1..]) {
            0 => 0,
            length => length + 1,
        },
        ['\'', '\\', ..] => (until(rest, 3, |tail| tail[0] == '\'') + 1).min(rest.len()),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn until(rest: &[char], from: usize, stop: impl Fn(&[char]) -> bool) -> usize {
    (from..rest.len()).find(|at| stop(&rest[*at..])).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
            }
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|character| **character == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let ends = |tail: &[char]| {
        tail[0] == '"' && hashes < tail.len() && tail[1..=hashes].iter().all(|c| *c == '#')
    };
    (until(rest, 2 + hashes, ends) + 1 + hashes).min(rest.len())
}

#[test]
fn words_in_comments_and_literals_are_not_code() {
    for text in [
        "// word",
        "/* a /* nested */ word */",
        "\"an \\\" escaped word\"",
        "r#\"a \" raw word\"#",
        "br\"word\"",
        "'\\''; // word",
    ] {
        assert!(!has_word(&code(text), "word"), "{text}");
    }
}

#[test]
fn code_beside_literals_stays() {
    for text in
        ["'a' word", "&'static word", "\"\\\\\" word", "/* */ word", "r\"\" word", "b'\"' word"]
    {
        assert!(has_word(&code(text), "word"), "{text}");
    }
}

#[test]
fn lines_keep_their_numbers() {
    let text = "\"two\nlines\"\n/* two\nlines */\nword";
    assert_eq!(code(text).lines().position(|line| line == "word"), Some(4));
}

#[test]
fn a_word_within_a_name_is_not_a_word() {
    assert!(!has_word("unsafe_code", "unsafe"));
    assert!(has_word("=unsafe{", "unsafe"));
}
