//! The words after `cargo xtask`: flags anywhere, names in order, nothing left unread.

use crate::Result;

/// What was typed and not yet asked for.
pub(crate) struct Arguments {
    rest: Vec<String>,
}

impl Arguments {
    /// Takes the words as they were typed.
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        Self { rest: words.collect() }
    }

    /// Takes a flag out, under any of its names, and says whether it was there.
    pub(crate) fn flag(&mut self, names: &[&str]) -> bool {
        let before = self.rest.len();
        self.rest.retain(|word| !names.contains(&word.as_str()));
        self.rest.len() < before
    }

    /// Takes `name VALUE` out, if it was given.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>> {
        let Some(at) = self.rest.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if self.rest.len() <= at + 1 {
            return Err(format!("`{name}` wants a number"));
        }
        let value = self.rest.remove(at + 1);
        self.rest.remove(at);
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("`{name}` wants a number, not `{value}`")),
        }
    }

    /// Takes the next word that is not a flag.
    pub(crate) fn next_name(&mut self) -> Option<String> {
        let is_help = |word: &str| word == "--help" || word == "-h";
        let at = self.rest.iter().position(|word| !word.starts_with('-') || is_help(word))?;
        Some(self.rest.remove(at))
    }

    /// Refuses what nobody asked for: a misspelt flag must not be ignored.
    pub(crate) fn finish(&self) -> Result {
        match self.rest.first() {
            None => Ok(()),
            Some(word) => {
                Err(format!("unexpected `{word}`; `cargo xtask help` lists what there is"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn typed(words: &str) -> Arguments {
        Arguments::new(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_stand_anywhere() {
        let mut arguments = typed("test -y clippy");
        assert!(arguments.flag(&["--yes", "-y"]));
        assert_eq!(arguments.next_name().as_deref(), Some("test"));
        assert_eq!(arguments.next_name().as_deref(), Some("clippy"));
        assert_eq!(arguments.finish(), Ok(()));
    }

    #[test]
    fn a_flag_with_a_number_takes_both_words() {
        let mut arguments = typed("--seconds 60 manifest");
        assert_eq!(arguments.number("--seconds"), Ok(Some(60)));
        assert_eq!(arguments.next_name().as_deref(), Some("manifest"));
    }

    #[test]
    fn a_misspelt_flag_is_refused() {
        let mut arguments = typed("test --yess");
        assert_eq!(arguments.next_name().as_deref(), Some("test"));
        assert!(arguments.finish().is_err());
    }
}
