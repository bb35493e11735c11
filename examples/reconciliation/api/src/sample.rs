//! Makes a bank statement and a ledger whose right answer is known, from a fixed seed.
//!
//! The answer holds by construction, not because the matcher said so: every line that is not
//! paired by reference has an amount of its own, ten apart from every other, so that no tolerance
//! of the matcher (2.00) can confuse two of them. Decoys then break that rule on purpose: the same
//! amount a month apart, and nearly the same amount on the same day for something else.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use serde::Serialize;
use time::Date;

use crate::statement::amount;

/// What a sample is made from.
pub struct Options {
    /// Lines of each of the two files.
    pub lines: usize,
    pub seed: u64,
}

/// The two files and their right answer.
pub struct Sample {
    pub bank: String,
    pub ledger: String,
    pub expected: Counts,
}

/// The right answer, in the words of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub bank_lines: usize,
    pub ledger_entries: usize,
    pub exact: usize,
    pub amount_date: usize,
    pub fuzzy: usize,
    pub unmatched_bank: usize,
    pub unmatched_ledger: usize,
}

const PARTIES: [&str; 16] = [
    "Nordwind Logistics",
    "Blue Harbor Foods",
    "Castellan Insurance",
    "Meridian Paper Works",
    "Falkenberg Machines",
    "Oakline Furniture",
    "Sunfield Energy",
    "Quartz Telecom",
    "Riverside Printing",
    "Tamarack Timber",
    "Violet Software",
    "Westgate Cleaning",
    "Juniper Travel",
    "Kestrel Security",
    "Lindqvist Optics",
    "Zephyr Cooling",
];
const PURPOSES: [&str; 8] = [
    "freight charges",
    "annual licence",
    "maintenance contract",
    "office supplies",
    "electricity bill",
    "consulting hours",
    "spare parts order",
    "rental agreement",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// What many customers pay: one amount on many lines, told apart by reference only.
const SUBSCRIPTION: i64 = 4_990;

/// Makes a sample.
pub fn generate(options: &Options) -> Sample {
    let mut maker = Maker { random: options.seed, slots: 0, bank: Vec::new(), ledger: Vec::new() };
    let exact = options.lines * 70 / 100;
    let amount_date = options.lines * 15 / 100;
    let fuzzy = options.lines * 10 / 100;
    let unmatched = options.lines - exact - amount_date - fuzzy;
    for number in 0..exact {
        maker.add_exact(number);
    }
    for _ in 0..amount_date {
        maker.add_amount_date();
    }
    for _ in 0..fuzzy {
        maker.add_fuzzy();
    }
    for number in 0..unmatched {
        maker.add_unmatched(number);
    }
    Sample {
        bank: maker.write(|maker| &mut maker.bank),
        ledger: maker.write(|maker| &mut maker.ledger),
        expected: Counts {
            bank_lines: options.lines,
            ledger_entries: options.lines,
            exact,
            amount_date,
            fuzzy,
            unmatched_bank: unmatched,
            unmatched_ledger: unmatched,
        },
    }
}

/// Writes `bank.csv`, `ledger.csv` and `expected.json` into a directory, which it makes.
pub fn write(options: &Options, directory: &Path) -> io::Result<Counts> {
    let sample = generate(options);
    let expected = serde_json::to_string_pretty(&sample.expected)? + "\n";
    fs::create_dir_all(directory)?;
    fs::write(directory.join("bank.csv"), sample.bank)?;
    fs::write(directory.join("ledger.csv"), sample.ledger)?;
    fs::write(directory.join("expected.json"), expected)?;
    Ok(sample.expected)
}

struct Line {
    day: i32,
    cents: i64,
    reference: String,
    description: String,
}

struct Maker {
    random: u64,
    slots: i64,
    bank: Vec<Line>,
    ledger: Vec<Line>,
}

impl Maker {
    fn add_exact(&mut self, number: usize) {
        let cents = if number.is_multiple_of(9) { SUBSCRIPTION } else { self.own_amount() };
        let day = self.day();
        let description = self.description();
        let later = self.below(21) as i32;
        let reference = format!("INV-2026-{number:06}");
        // People and banks write the same reference differently.
        let written = match self.below(3) {
            0 => reference.clone(),
            1 => reference.to_lowercase().replace('-', " "),
            _ => reference.replace('-', "/"),
        };
        self.bank_line(day + later, cents, written, description.to_uppercase());
        self.ledger_entry(day, cents, reference, description);
    }

    fn add_amount_date(&mut self) {
        let cents = self.own_amount();
        let day = self.day();
        let apart = self.below(7) as i32 - 3;
        let (theirs, ours) = (self.below(1_000_000), self.below(1_000_000));
        let description = self.description();
        self.bank_line(day + apart, cents, format!("SEPA {theirs:06}"), "TRANSFER".to_owned());
        self.ledger_entry(day, cents, format!("PO-{ours:06}"), description);
    }

    fn add_fuzzy(&mut self) {
        let cents = self.own_amount();
        let day = self.day();
        let description = self.description();
        let garbled = self.garble(&description);
        // Either a fee was kept, or the money took longer than the window of the pass before.
        let (fee, apart) = match self.below(2) {
            0 => (10 + self.below(140) as i64, self.below(9) as i32),
            _ => (0, 4 + self.below(5) as i32),
        };
        self.bank_line(day + apart, cents - fee, String::new(), garbled);
        self.ledger_entry(day, cents, String::new(), description);
    }

    /// One bank line and one ledger entry that have nothing to do with each other, every third
    /// time with the same amount but a month apart, every third with nearly the same on one day.
    fn add_unmatched(&mut self, number: usize) {
        let cents = self.own_amount();
        let day = self.day();
        let (other_cents, other_day) = match number % 3 {
            0 => (self.own_amount(), self.day()),
            1 => (cents, day + 30),
            _ => (cents + 50, day),
        };
        let box_number = self.below(900) + 100;
        let machine = format!("ATM {box_number} cash withdrawal");
        self.bank_line(day, cents, format!("CARD {number:05}"), machine);
        let description = self.description();
        self.ledger_entry(other_day, other_cents, format!("ACC-{number:05}"), description);
    }

    fn bank_line(&mut self, day: i32, cents: i64, reference: String, description: String) {
        self.bank.push(Line { day, cents, reference, description });
    }

    fn ledger_entry(&mut self, day: i32, cents: i64, reference: String, description: String) {
        self.ledger.push(Line { day, cents, reference, description });
    }

    /// An amount at least 7.00 away from that of every other caller.
    fn own_amount(&mut self) -> i64 {
        self.slots += 1;
        10_000 + self.slots * 1_000 + self.below(300) as i64
    }

    /// A day of the first ten months of 2026.
    fn day(&mut self) -> i32 {
        let start = Date::from_ordinal_date(2026, 1).expect("a day of the calendar");
        start.to_julian_day() + self.below(300) as i32
    }

    fn description(&mut self) -> String {
        let party = PARTIES[self.below(PARTIES.len() as u64) as usize];
        let purpose = PURPOSES[self.below(PURPOSES.len() as u64) as usize];
        let month = MONTHS[self.below(MONTHS.len() as u64) as usize];
        format!("{party} {purpose} {month}")
    }

    /// The same as a bank would print it: capitals, a word cut short, a letter lost.
    fn garble(&mut self, description: &str) -> String {
        let mut words: Vec<String> = description.split(' ').map(str::to_uppercase).collect();
        let last = words.len() - 1;
        words[last].truncate(3);
        let place = self.below(last as u64) as usize;
        let letter = self.below(words[place].len() as u64) as usize;
        words[place].remove(letter);
        words.join(" ")
    }

    /// SplitMix64: a few lines, and the same numbers everywhere and forever.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// Writes one side as CSV, by day, in random order within a day.
    fn write(&mut self, side: fn(&mut Self) -> &mut Vec<Line>) -> String {
        let lines = std::mem::take(side(self));
        let mut lines: Vec<(i32, u64, Line)> =
            lines.into_iter().map(|line| (line.day, self.below(u64::MAX), line)).collect();
        lines.sort_by_key(|(day, random, _)| (*day, *random));
        let mut file = "date,amount,reference,description\n".to_owned();
        for (_, _, line) in lines {
            let date = Date::from_julian_day(line.day).expect("a day of the calendar");
            let amount = amount(line.cents);
            writeln!(file, "{date},{amount},{},{}", line.reference, line.description)
                .expect("a string takes any text");
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{self, Entry, MatchKind, Similarity};
    use crate::statement;

    fn check(sample: &Sample, similarity: Similarity) {
        let entries = |file: &str| -> Vec<Entry> {
            let rows = statement::parse(file.as_bytes()).expect("a valid file");
            rows.into_iter().map(|row| row.entry).collect()
        };
        let (bank, ledger) = (entries(&sample.bank), entries(&sample.ledger));
        let found = matching::reconcile(&bank, &ledger, similarity, &mut |_, _, _| {});
        let count = |kind| found.iter().filter(|m| m.kind == kind).count();
        let counted = Counts {
            bank_lines: bank.len(),
            ledger_entries: ledger.len(),
            exact: count(MatchKind::Exact),
            amount_date: count(MatchKind::AmountDate),
            fuzzy: count(MatchKind::Fuzzy),
            unmatched_bank: bank.len() - found.len(),
            unmatched_ledger: ledger.len() - found.len(),
        };
        assert_eq!(counted, sample.expected);
    }

    #[test]
    fn the_matcher_finds_exactly_what_was_hidden_in_ten_thousand_lines() {
        for seed in [1, 2, 3] {
            let sample = generate(&Options { lines: 10_000, seed });
            check(&sample, Similarity::Trigrams);
            check(&sample, Similarity::TrigramsAndWords);
        }
    }

    #[test]
    fn the_committed_sample_is_the_one_that_is_made() {
        let sample = generate(&Options { lines: 20, seed: 1 });
        check(&sample, Similarity::Trigrams);
        assert_eq!(sample.bank, include_str!("../../data/sample/bank.csv"));
        assert_eq!(sample.ledger, include_str!("../../data/sample/ledger.csv"));
        let expected = include_str!("../../data/sample/expected.json");
        assert_eq!(serde_json::to_string_pretty(&sample.expected).unwrap() + "\n", expected);
    }

    #[test]
    fn the_committed_counts_are_those_of_the_ten_thousand() {
        let sample = generate(&Options { lines: 10_000, seed: 1 });
        let expected = include_str!("../../data/expected-10000.json");
        assert_eq!(serde_json::to_string_pretty(&sample.expected).unwrap() + "\n", expected);
    }
}
