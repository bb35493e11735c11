//! Matches bank lines with ledger entries, one to one, in three passes from certain to likely.
//!
//! Pure and deterministic: the same input gives the same pairs on every machine. Each pass only
//! sees what the passes before it left over:
//!
//! 1. *exact*: the same reference (letters and digits only, any case) and the same amount;
//! 2. *amount and date*: the same amount, at most three days apart, the closest dates first;
//! 3. *fuzzy*: an amount at most a bank's fee apart, at most ten days apart, and descriptions that
//!    resemble each other, the most similar first.
//!
//! Comparing every line with every entry would be 10⁸ comparisons for 10,000 lines. Passes 1 and 2
//! are hash lookups; pass 3 looks at entries of a day and of a narrow range of amounts only, and
//! both what it looks at and what it keeps per line is bounded, whatever the files contain.

use std::collections::{HashMap, VecDeque};

/// Days between a bank line and a ledger entry of the same amount.
const DATE_WINDOW: i32 = 3;
/// Days between a bank line and a ledger entry whose descriptions resemble each other.
const FUZZY_DATE_WINDOW: i32 = 10;
/// Cents by which they may differ then: what banks keep as a fee.
const FUZZY_TOLERANCE: i64 = 200;
/// Similarity from which two descriptions count as the same.
const FUZZY_THRESHOLD: f32 = 0.55;
/// Entries of one day that a line is compared with, at most.
const CANDIDATES_PER_DAY: usize = 32;
/// Candidates that a line keeps, at most, the most similar.
const CANDIDATES_KEPT: usize = 8;
/// Reports of progress in each pass, roughly.
const REPORTS: usize = 40;

/// A line of a bank statement or an entry of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Days since any fixed day.
    pub day: i32,
    pub cents: i64,
    pub reference: String,
    pub description: String,
}

/// How a pair was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchKind {
    Exact,
    AmountDate,
    Fuzzy,
}

impl MatchKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::AmountDate => "amount_date",
            Self::Fuzzy => "fuzzy",
        }
    }
}

/// A pair; `bank` and `ledger` are positions in the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    pub bank: usize,
    pub ledger: usize,
    pub kind: MatchKind,
    /// 1 unless fuzzy.
    pub similarity: f32,
}

/// How descriptions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Similarity {
    /// Shared groups of three letters: forgives spelling.
    Trigrams,
    /// Trigrams or shared words, whichever is higher: also forgives what one side leaves out.
    TrigramsAndWords,
}

impl Similarity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Trigrams => "trigrams",
            Self::TrigramsAndWords => "trigrams-and-words",
        }
    }
}

/// Pairs `bank` with `ledger`; `progress` hears the pass, and lines done of all lines in it.
pub fn reconcile(
    bank: &[Entry],
    ledger: &[Entry],
    similarity: Similarity,
    progress: &mut dyn FnMut(MatchKind, usize, usize),
) -> Vec<Match> {
    let mut state = Unmatched {
        bank: vec![true; bank.len()],
        ledger: vec![true; ledger.len()],
        matches: Vec::new(),
    };
    match_references(bank, ledger, &mut state, progress);
    match_amounts_and_dates(bank, ledger, &mut state, progress);
    match_descriptions(bank, ledger, similarity, &mut state, progress);
    state.matches
}

struct Unmatched {
    bank: Vec<bool>,
    ledger: Vec<bool>,
    matches: Vec<Match>,
}

impl Unmatched {
    fn pair(&mut self, found: Match) {
        debug_assert!(self.bank[found.bank] && self.ledger[found.ledger]);
        self.bank[found.bank] = false;
        self.ledger[found.ledger] = false;
        self.matches.push(found);
    }

    fn bank_indices(&self) -> Vec<usize> {
        (0..self.bank.len()).filter(|&i| self.bank[i]).collect()
    }

    fn ledger_indices(&self) -> Vec<usize> {
        (0..self.ledger.len()).filter(|&i| self.ledger[i]).collect()
    }
}

fn match_references(
    bank: &[Entry],
    ledger: &[Entry],
    state: &mut Unmatched,
    progress: &mut dyn FnMut(MatchKind, usize, usize),
) {
    let mut waiting: HashMap<(String, i64), VecDeque<usize>> = HashMap::new();
    for (index, entry) in ledger.iter().enumerate() {
        let reference = normal_reference(&entry.reference);
        if !reference.is_empty() {
            waiting.entry((reference, entry.cents)).or_default().push_back(index);
        }
    }
    for (index, line) in bank.iter().enumerate() {
        report(progress, MatchKind::Exact, index, bank.len());
        let key = (normal_reference(&line.reference), line.cents);
        let Some(found) = waiting.get_mut(&key).and_then(VecDeque::pop_front) else {
            continue;
        };
        state.pair(Match { bank: index, ledger: found, kind: MatchKind::Exact, similarity: 1.0 });
    }
    progress(MatchKind::Exact, bank.len(), bank.len());
}

/// Goes by distance in days, not by line, so that the first line does not take the entry that a
/// later line fits better.
fn match_amounts_and_dates(
    bank: &[Entry],
    ledger: &[Entry],
    state: &mut Unmatched,
    progress: &mut dyn FnMut(MatchKind, usize, usize),
) {
    let mut waiting: HashMap<(i64, i32), VecDeque<usize>> = HashMap::new();
    for index in state.ledger_indices() {
        let entry = &ledger[index];
        waiting.entry((entry.cents, entry.day)).or_default().push_back(index);
    }
    let offsets = (0..=DATE_WINDOW).flat_map(|days| [-days, days]).skip(1);
    let open = state.bank_indices();
    let total = open.len() * offsets.clone().count();
    let mut done = 0;
    for offset in offsets {
        for &index in &open {
            report(progress, MatchKind::AmountDate, done, total);
            done += 1;
            if !state.bank[index] {
                continue;
            }
            let key = (bank[index].cents, bank[index].day + offset);
            let Some(ledger) = waiting.get_mut(&key).and_then(VecDeque::pop_front) else {
                continue;
            };
            let kind = MatchKind::AmountDate;
            state.pair(Match { bank: index, ledger, kind, similarity: 1.0 });
        }
    }
    progress(MatchKind::AmountDate, total, total);
}

fn match_descriptions(
    bank: &[Entry],
    ledger: &[Entry],
    similarity: Similarity,
    state: &mut Unmatched,
    progress: &mut dyn FnMut(MatchKind, usize, usize),
) {
    let mut by_day: HashMap<i32, Vec<usize>> = HashMap::new();
    let mut outlines: HashMap<usize, Outline> = HashMap::new();
    for index in state.ledger_indices() {
        by_day.entry(ledger[index].day).or_default().push(index);
        outlines.insert(index, Outline::of(&ledger[index].description));
    }
    for indices in by_day.values_mut() {
        indices.sort_by_key(|&index| (ledger[index].cents, index));
    }

    let open = state.bank_indices();
    let mut found: Vec<Match> = Vec::new();
    for (done, &index) in open.iter().enumerate() {
        report(progress, MatchKind::Fuzzy, done, open.len());
        let line = &bank[index];
        let outline = Outline::of(&line.description);
        let mut candidates: Vec<Match> = Vec::new();
        for day in line.day - FUZZY_DATE_WINDOW..=line.day + FUZZY_DATE_WINDOW {
            let Some(entries) = by_day.get(&day) else { continue };
            let lowest = line.cents - FUZZY_TOLERANCE;
            let start = entries.partition_point(|&entry| ledger[entry].cents < lowest);
            for &entry in entries[start..].iter().take(CANDIDATES_PER_DAY) {
                if line.cents + FUZZY_TOLERANCE < ledger[entry].cents {
                    break;
                }
                let score = outline.similarity(&outlines[&entry], similarity);
                if FUZZY_THRESHOLD <= score {
                    let kind = MatchKind::Fuzzy;
                    candidates.push(Match { bank: index, ledger: entry, kind, similarity: score });
                }
            }
        }
        candidates.sort_by(most_similar_first);
        candidates.truncate(CANDIDATES_KEPT);
        found.append(&mut candidates);
    }
    found.sort_by(most_similar_first);
    for candidate in found {
        if state.bank[candidate.bank] && state.ledger[candidate.ledger] {
            state.pair(candidate);
        }
    }
    progress(MatchKind::Fuzzy, open.len(), open.len());
}

fn most_similar_first(a: &Match, b: &Match) -> std::cmp::Ordering {
    b.similarity.total_cmp(&a.similarity).then((a.bank, a.ledger).cmp(&(b.bank, b.ledger)))
}

fn report(
    progress: &mut dyn FnMut(MatchKind, usize, usize),
    kind: MatchKind,
    done: usize,
    total: usize,
) {
    if done.is_multiple_of(total.div_ceil(REPORTS)) {
        progress(kind, done, total);
    }
}

fn normal_reference(reference: &str) -> String {
    reference.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// What is compared of a description: its words and its trigrams, hashed, sorted, each once.
struct Outline {
    words: Vec<u32>,
    trigrams: Vec<u32>,
}

impl Outline {
    fn of(description: &str) -> Self {
        let lower = description.to_lowercase();
        let mut words = Vec::new();
        let mut trigrams = Vec::new();
        for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            words.push(hash(word.chars()));
            // Two blanks before and one behind, so that beginnings weigh more than endings.
            let padded: Vec<char> = "  ".chars().chain(word.chars()).chain([' ']).collect();
            trigrams.extend(padded.windows(3).map(|three| hash(three.iter().copied())));
        }
        for hashes in [&mut words, &mut trigrams] {
            hashes.sort_unstable();
            hashes.dedup();
        }
        Self { words, trigrams }
    }

    /// From 0, nothing in common, to 1, the same.
    fn similarity(&self, other: &Self, similarity: Similarity) -> f32 {
        let total = self.trigrams.len() + other.trigrams.len();
        if total == 0 {
            return 0.0;
        }
        let trigrams = 2.0 * shared(&self.trigrams, &other.trigrams) as f32 / total as f32;
        let fewest = self.words.len().min(other.words.len());
        match similarity {
            Similarity::Trigrams => trigrams,
            // A single shared word ("invoice") says nothing.
            Similarity::TrigramsAndWords if fewest < 3 => trigrams,
            Similarity::TrigramsAndWords => {
                trigrams.max(shared(&self.words, &other.words) as f32 / fewest as f32)
            }
        }
    }
}

/// FNV-1a: stable between runs and platforms, unlike the standard library's hasher.
fn hash(chars: impl Iterator<Item = char>) -> u32 {
    chars.fold(0x811c_9dc5, |hash, c| (hash ^ c as u32).wrapping_mul(0x0100_0193))
}

/// How many values two sorted lists have in common.
fn shared(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                count += 1;
                i += 1;
                j += 1;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (i32, i64, &'static str, &'static str);

    /// Pairs found, as (bank, ledger, kind), in the order in which they were found.
    fn check(bank: &[Row], ledger: &[Row], expected: &[(usize, usize, MatchKind)]) {
        check_with(Similarity::Trigrams, bank, ledger, expected);
    }

    fn check_with(
        similarity: Similarity,
        bank: &[Row],
        ledger: &[Row],
        expected: &[(usize, usize, MatchKind)],
    ) {
        let entries = |rows: &[Row]| -> Vec<Entry> {
            rows.iter()
                .map(|&(day, cents, reference, description)| Entry {
                    day,
                    cents,
                    reference: reference.to_owned(),
                    description: description.to_owned(),
                })
                .collect()
        };
        let found = reconcile(&entries(bank), &entries(ledger), similarity, &mut |_, _, _| {});
        let found: Vec<_> = found.iter().map(|m| (m.bank, m.ledger, m.kind)).collect();
        assert_eq!(found, expected);
    }

    use MatchKind::{AmountDate, Exact, Fuzzy};

    #[test]
    fn nothing_matches_nothing() {
        check(&[], &[], &[]);
        check(&[(0, 1, "A", "a")], &[], &[]);
    }

    #[test]
    fn a_reference_matches_whatever_its_case_and_punctuation_and_the_date() {
        check(&[(0, 100, "INV-2026/7", "")], &[(90, 100, "inv 2026 7", "")], &[(0, 0, Exact)]);
    }

    #[test]
    fn a_reference_with_another_amount_is_no_match() {
        check(&[(0, 100, "INV-7", "")], &[(0, 900, "INV-7", "")], &[]);
    }

    #[test]
    fn an_empty_reference_is_not_a_reference() {
        check(&[(0, 100, "", "")], &[(4, 100, " - ", "")], &[]);
    }

    #[test]
    fn a_repeated_reference_is_used_in_order_and_each_entry_once() {
        let bank = [(0, 5, "R", ""), (0, 5, "R", ""), (50, 5, "R", "")];
        let ledger = [(0, 5, "R", ""), (0, 5, "R", "")];
        check(&bank, &ledger, &[(0, 0, Exact), (1, 1, Exact)]);
    }

    #[test]
    fn the_same_amount_matches_up_to_three_days_apart() {
        check(&[(10, 5, "", "")], &[(13, 5, "", "")], &[(0, 0, AmountDate)]);
        check(&[(10, 5, "", "")], &[(7, 5, "", "")], &[(0, 0, AmountDate)]);
        check(&[(10, 5, "", "")], &[(14, 5, "", "")], &[]);
        check(&[(10, 5, "", "")], &[(10, 6, "", "")], &[]);
    }

    #[test]
    fn the_closest_date_wins_over_the_first_line() {
        let bank = [(10, 5, "", ""), (12, 5, "", "")];
        check(&bank, &[(12, 5, "", "")], &[(1, 0, AmountDate)]);
    }

    #[test]
    fn an_exact_match_is_taken_before_an_amount_on_the_same_day() {
        let bank = [(10, 5, "", ""), (10, 5, "R", "")];
        check(&bank, &[(10, 5, "R", "")], &[(1, 0, Exact)]);
    }

    #[test]
    fn a_similar_description_matches_within_a_fee_and_ten_days() {
        let bank = [(10, -10_150, "", "NORDWIND LOGISTIK, Rechnung Maerz")];
        check(&bank, &[(18, -10_000, "", "Nordwind Logistik Rechnung März")], &[(0, 0, Fuzzy)]);
        check(&bank, &[(21, -10_000, "", "Nordwind Logistik Rechnung März")], &[]);
        check(&bank, &[(18, -9_900, "", "Nordwind Logistik Rechnung März")], &[]);
        check(&bank, &[(18, -10_000, "", "Bakery at the corner")], &[]);
    }

    #[test]
    fn the_most_similar_description_wins() {
        let bank = [(10, 100, "", "alpha beta gamma")];
        let ledger = [(15, 101, "", "alpha beta gamme"), (15, 102, "", "alpha beta gamma")];
        check(&bank, &ledger, &[(0, 1, Fuzzy)]);
    }

    #[test]
    fn the_new_matcher_forgives_what_one_side_leaves_out() {
        let bank = [(10, 100, "", "nordwind logistics freight")];
        let ledger = [(
            18,
            100,
            "",
            "purchase order 4711 nordwind logistics hamburg harbour freight, november, second half",
        )];
        check(&bank, &ledger, &[]);
        check_with(Similarity::TrigramsAndWords, &bank, &ledger, &[(0, 0, Fuzzy)]);
    }

    #[test]
    fn a_hundred_thousand_equal_lines_take_bounded_work() {
        let rows = vec![(10, 5, "", "the same"); 100_000];
        let far = vec![(15, 6, "", "the same"); 100_000];
        let entries = |rows: &[Row]| -> Vec<Entry> {
            rows.iter()
                .map(|row| Entry {
                    day: row.0,
                    cents: row.1,
                    reference: String::new(),
                    description: row.3.to_owned(),
                })
                .collect()
        };
        let mut reports = 0;
        let (bank, ledger) = (entries(&rows), entries(&far));
        let found = reconcile(&bank, &ledger, Similarity::Trigrams, &mut |_, _, _| reports += 1);
        assert!(found.iter().all(|m| m.kind == Fuzzy) && !found.is_empty());
        assert!(reports <= 3 * (REPORTS + 1), "{reports} reports");
    }
}
