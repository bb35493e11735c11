//! As much of YAML as Compose files use: nested maps and lists, quoted and flow forms, block
//! scalars, anchors, aliases and merge keys.
//!
//! A file is only read to learn what is in it, so what is not understood is left out rather than
//! refused; depth and size are bounded, since aliases can make a short file huge.

use std::collections::HashMap;

const DEEPEST: usize = 24;
const MOST_NODES: usize = 20_000;

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Yaml {
    /// Empty, or not understood.
    #[default]
    Nothing,
    /// A scalar, quotes removed.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// A map, in the order of the file.
    Map(Vec<(String, Self)>),
}

impl Yaml {
    /// Reads a document.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().take(MOST_NODES).map(Line::of).collect();
        let mut parser = Parser { lines, at: 0, anchors: HashMap::new(), budget: MOST_NODES };
        parser.block(0, 0)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The keys and values of a map.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Map(entries) => entries,
            Self::Nothing | Self::Text(_) | Self::List(_) => &[],
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Nothing | Self::Text(_) | Self::Map(_) => &[],
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::List(_) | Self::Map(_) => None,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Nothing | Self::Text(_) => 1,
            Self::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Map(entries) => 1 + entries.iter().map(|(_, value)| value.size()).sum::<usize>(),
        }
    }
}

struct Line {
    indent: usize,
    text: String,
}

impl Line {
    fn of(raw: &str) -> Self {
        let text = raw.trim_start_matches(' ');
        Self { indent: raw.len() - text.len(), text: text.trim_end().to_owned() }
    }

    fn is_blank(&self) -> bool {
        let text = without_comment(&self.text);
        text.is_empty() || text.starts_with("---") || text.starts_with('%')
    }
}

struct Parser {
    lines: Vec<Line>,
    at: usize,
    anchors: HashMap<String, Yaml>,
    budget: usize,
}

impl Parser {
    /// The next line that says something: its indentation and its text without comment.
    fn peek(&mut self) -> Option<(usize, String)> {
        while self.lines.get(self.at).is_some_and(Line::is_blank) {
            self.at += 1;
        }
        let line = self.lines.get(self.at)?;
        Some((line.indent, without_comment(&line.text).to_owned()))
    }

    /// What is indented at least so far.
    fn block(&mut self, least: usize, depth: usize) -> Yaml {
        let Some((indent, text)) = self.peek().filter(|(indent, _)| least <= *indent) else {
            return Yaml::Nothing;
        };
        if DEEPEST < depth || self.budget == 0 {
            self.skip(least);
            return Yaml::Nothing;
        }
        self.budget -= 1;
        if text == "-" || text.starts_with("- ") {
            self.list(indent, depth)
        } else if split_key(&text).is_some() {
            self.map(indent, depth)
        } else {
            self.at += 1;
            self.inline(&text, indent + 1, depth)
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Yaml {
        let mut items = Vec::new();
        while let Some((at, text)) = self.peek() {
            let Some(rest) = text.strip_prefix('-').filter(|_| at == indent) else { break };
            if !rest.is_empty() && !rest.starts_with(' ') {
                break;
            }
            let content = rest.trim_start();
            if content.is_empty() {
                self.at += 1;
                items.push(self.block(indent + 1, depth + 1));
                continue;
            }
            // The item's own content begins a block at the column where it stands.
            let column = indent + text.len() - content.len();
            if let Some(line) = self.lines.get_mut(self.at) {
                *line = Line { indent: column, text: content.to_owned() };
            }
            items.push(self.block(column, depth + 1));
        }
        Yaml::List(items)
    }

    fn map(&mut self, indent: usize, depth: usize) -> Yaml {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        while let Some((at, text)) = self.peek() {
            if at != indent {
                if indent < at {
                    self.at += 1;
                    continue;
                }
                break;
            }
            let Some((key, rest)) = split_key(&text) else { break };
            self.at += 1;
            let value = self.inline(rest, indent + 1, depth + 1);
            if key == "<<" {
                merge(&mut entries, &value);
            } else {
                entries.retain(|(name, _)| *name != key);
                entries.push((key, value));
            }
        }
        Yaml::Map(entries)
    }

    /// What stands behind a key, and below it when nothing does.
    fn inline(&mut self, text: &str, least: usize, depth: usize) -> Yaml {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('&') {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let name = name.to_owned();
            let value = self.inline(rest, least, depth);
            self.anchors.insert(name, value.clone());
            return value;
        }
        if let Some(name) = text.strip_prefix('*') {
            let value = self.anchors.get(name.trim()).cloned().unwrap_or_default();
            let size = value.size();
            if self.budget < size {
                return Yaml::Nothing;
            }
            self.budget -= size;
            return value;
        }
        if text.is_empty() {
            // A list may stand at the column of its key.
            let at_key = self.peek().is_some_and(|(at, text)| {
                at + 1 == least && (text == "-" || text.starts_with("- "))
            });
            return self.block(if at_key { least - 1 } else { least }, depth);
        }
        if text.starts_with(['|', '>']) {
            return self.block_scalar(least);
        }
        if text.starts_with(['[', '{']) {
            return flow(&mut text.chars().peekable(), depth);
        }
        Yaml::Text(unquote(text))
    }

    fn block_scalar(&mut self, least: usize) -> Yaml {
        let mut text = String::new();
        while let Some(line) = self.lines.get(self.at) {
            if line.indent < least && !line.text.is_empty() {
                break;
            }
            text.push_str(&line.text);
            text.push('\n');
            self.at += 1;
        }
        Yaml::Text(text.trim_end().to_owned())
    }

    fn skip(&mut self, least: usize) {
        while self.peek().is_some_and(|(indent, _)| least <= indent) {
            self.at += 1;
        }
    }
}

/// Own keys win over merged ones.
fn merge(entries: &mut Vec<(String, Yaml)>, value: &Yaml) {
    for item in value.items() {
        merge(entries, item);
    }
    for (key, value) in value.entries() {
        if !entries.iter().any(|(name, _)| name == key) {
            entries.push((key.clone(), value.clone()));
        }
    }
}

/// `key: rest`, where the key may be quoted.
fn split_key(text: &str) -> Option<(String, &str)> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let (key, rest) = text.get(1..)?.split_once(quote)?;
        let rest = rest.trim_start().strip_prefix(':')?;
        return (rest.is_empty() || rest.starts_with(' ')).then(|| (key.to_owned(), rest));
    }
    if text.starts_with(['[', '{', '&', '*', '|', '>']) {
        return None;
    }
    if let Some((key, rest)) = text.split_once(": ") {
        return Some((key.trim().to_owned(), rest));
    }
    text.strip_suffix(':').map(|key| (key.trim().to_owned(), ""))
}

fn without_comment(text: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (position, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') && !before.is_alphanumeric() => quote = Some(c),
            None if c == '#' && before.is_whitespace() => {
                return text.get(..position).unwrap_or_default().trim_end();
            }
            None => {}
        }
        before = c;
    }
    text
}

fn unquote(text: &str) -> String {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(inside) = inside('\'') {
        return inside.replace("''", "'");
    }
    match inside('"') {
        Some(inside) => serde_json::from_str(text).unwrap_or_else(|_not_json| inside.to_owned()),
        None => text.to_owned(),
    }
}

/// `[a, b]` and `{a: b}`, on one line.
fn flow(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, depth: usize) -> Yaml {
    if DEEPEST < depth {
        // Whoever called goes on with what is left, which must therefore be nothing.
        chars.by_ref().for_each(drop);
        return Yaml::Nothing;
    }
    let Some(open) = chars.next() else { return Yaml::Nothing };
    let close = if open == '[' { ']' } else { '}' };
    let mut items = Vec::new();
    let mut entries = Vec::new();
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        if chars.next_if(|c| *c == close).is_some() || chars.peek().is_none() {
            break;
        }
        if open == '[' {
            items.push(flow_value(chars, close, depth));
            continue;
        }
        let key = flow_scalar(chars, close, true);
        let value = match chars.next_if(|c| *c == ':') {
            Some(_) => {
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
                flow_value(chars, close, depth)
            }
            None => Yaml::Nothing,
        };
        entries.push((key, value));
    }
    if open == '[' { Yaml::List(items) } else { Yaml::Map(entries) }
}

fn flow_value(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    close: char,
    depth: usize,
) -> Yaml {
    match chars.peek() {
        Some('[' | '{') => flow(chars, depth + 1),
        _ => Yaml::Text(flow_scalar(chars, close, false)),
    }
}

fn flow_scalar(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    close: char,
    is_key: bool,
) -> String {
    let mut text = String::new();
    if let Some(quote) = chars.next_if(|c| matches!(c, '"' | '\'')) {
        for c in chars.by_ref() {
            if c == quote {
                break;
            }
            text.push(c);
        }
        return text;
    }
    let ends = |c: char| c == ',' || c == close || (is_key && c == ':');
    while let Some(c) = chars.next_if(|c| !ends(*c)) {
        text.push(c);
    }
    // A stray closing bracket of the other kind would otherwise be read for ever.
    if text.is_empty() && !chars.peek().is_some_and(|c| ends(*c)) {
        chars.next();
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(yaml: &'a Yaml, path: &str) -> &'a str {
        let found = path.split('/').try_fold(yaml, |value, key| match key.parse::<usize>() {
            Ok(index) => value.items().get(index),
            Err(_) => value.get(key),
        });
        found.and_then(Yaml::text).unwrap_or("(nothing)")
    }

    #[test]
    fn what_compose_files_use_is_read() {
        let yaml = Yaml::parse(
            "# comment\nversion: '3'\nx-base: &base\n  restart: always\n  environment:\n    A: 1\n\
             services:\n  db:\n    <<: *base\n    image: \"postgres:15\" # the database\n    \
             ports:\n      - \"5432:5432\"\n    command: >\n      a\n      b\n  web:\n    \
             environment:\n    - URL=http://api:80/#x\n    - B=\n    list: [a, 'b, c', {d: e}]\n    \
             deep:\n      - name: x\n        value: y\n      -\n        name: z\n",
        );
        for (path, expected) in [
            ("version", "3"),
            ("services/db/image", "postgres:15"),
            ("services/db/restart", "always"),
            ("services/db/environment/A", "1"),
            ("services/db/ports/0", "5432:5432"),
            ("services/db/command", "a\nb"),
            ("services/web/environment/0", "URL=http://api:80/#x"),
            ("services/web/environment/1", "B="),
            ("services/web/list/1", "b, c"),
            ("services/web/list/2/d", "e"),
            ("services/web/deep/0/value", "y"),
            ("services/web/deep/1/name", "z"),
        ] {
            assert_eq!(at(&yaml, path), expected, "{path}");
        }
    }

    #[test]
    fn nonsense_and_bombs_end() {
        let bomb = (0..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            text + &format!("a{0}: &a{0}\n  - *a{n}\n  - *a{n}\n", n + 1)
        });
        let deep = format!("a: {}", "[".repeat(5_000));
        let stairs: String = (0..500).map(|n| format!("{}k:\n", " ".repeat(n))).collect();
        for text in
            [&bomb, &deep, &stairs, "a: [}", "{", "- - - -", ":", "a: {b", "\t\t", "- a\nb: c\n x"]
        {
            assert!(Yaml::parse(text).size() <= 2 * MOST_NODES);
        }
    }
}
