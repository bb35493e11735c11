//! When a job runs: the five fields of cron, checked here and evaluated by who has a clock.

use std::fmt;

use crate::cursor::Refusal;

/// Five cron fields, each known to be within its range.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    text: String,
}

struct Part {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const PARTS: [Part; 5] = [
    Part { name: "minute", least: 0, most: 59, words: &[] },
    Part { name: "hour", least: 0, most: 23, words: &[] },
    Part { name: "day of the month", least: 1, most: 31, words: &[] },
    Part {
        name: "month",
        least: 1,
        most: 12,
        words: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Part {
        name: "day of the week",
        least: 0,
        most: 7,
        words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    ///
    /// When there are not five fields, or one is out of range.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != PARTS.len() {
            let message = format!("`{text}` has {} fields; a schedule has 5", fields.len());
            let help = "write minute, hour, day of month, month, day of week: `0 2 * * *` is \
                every day at 02:00 UTC";
            return Err(Refusal::new(message, help));
        }
        for (field, part) in fields.iter().zip(&PARTS) {
            for item in field.split(',') {
                part.check(item).map_err(|problem| {
                    let message = format!("`{field}` is no {}: {problem}", part.name);
                    let help = format!(
                        "write a number from {} to {}, a range `a-b`, a step `*/n`, a list \
                            `a,b`, or `*`",
                        part.least, part.most
                    );
                    Refusal::new(message, help)
                })?;
            }
        }
        Ok(Self { text: fields.join(" ") })
    }

    /// The five fields with one blank between them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Part {
    fn check(&self, item: &str) -> Result<(), String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        if let Some(step) = step
            && !step.parse::<u32>().is_ok_and(|step| 0 < step && step <= self.most)
        {
            return Err(format!("`{step}` is no step"));
        }
        if range == "*" {
            return Ok(());
        }
        let Some((from, to)) = range.split_once('-') else {
            if step.is_some() {
                return Err("a step needs a range or `*` before it".to_owned());
            }
            return self.number(range).map(|_in_range| ());
        };
        if self.number(to)? < self.number(from)? {
            return Err(format!("`{range}` runs backwards"));
        }
        Ok(())
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let lowered = text.to_ascii_lowercase();
        if let Some(index) = self.words.iter().position(|word| *word == lowered) {
            return Ok(self.least + u32::try_from(index).unwrap_or(0));
        }
        match text.parse::<u32>() {
            Ok(number) if (self.least..=self.most).contains(&number) => Ok(number),
            _ => Err(format!("`{text}` is not from {} to {}", self.least, self.most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_in_range_are_read() {
        for text in [
            "0 2 * * *",
            "*/5 * * * *",
            "0,30 8-18 1 jan-mar mon-fri",
            "0 0 31 12 7",
            "0-30/10 * * * *",
        ] {
            assert!(Schedule::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "@daily",
            "0 2 * *",
            "0 0 2 * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "5/10 * * * *",
            "a * * * *",
            "1,,2 * * * *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
