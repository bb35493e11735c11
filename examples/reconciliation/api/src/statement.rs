//! Reads an uploaded CSV file strictly: the first mistake is an error with its line.
//!
//! A header names the columns `date`, `amount`, `reference` and `description`, in any order and
//! any case; other columns are allowed, because banks export many. A date is `2026-11-20`, an
//! amount `-1234.56` without separators of thousands. Nothing is guessed: an amount read wrong
//! would match wrong.

use time::Date;

use crate::matching::Entry;

/// Lines that a file may have, apart from its header.
pub const MAX_LINES: usize = 200_000;

/// Characters that a reference or a description may have.
const MAX_TEXT: usize = 500;
/// Ten billion, in cents: sums of 200,000 of them stay far inside an `i64`.
const MAX_CENTS: i64 = 1_000_000_000_000;
const COLUMNS: [&str; 4] = ["date", "amount", "reference", "description"];

/// A mistake in a file, on a line counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub line: u64,
    pub message: String,
}

/// An entry and the line it stands on.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub line: u64,
    pub entry: Entry,
}

/// Parses a whole file.
pub fn parse(bytes: &[u8]) -> Result<Vec<Row>, Mistake> {
    // Spreadsheets put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // The reader counts a line when it meets its `\n`; after `\r\n` it would be one behind. The
    // `\r` that stays at the end of a line is trimmed with the other blanks.
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(bytes);
    let mut records = reader.records();
    let header = match records.next() {
        None => return Err(mistake(1, "the file is empty, a header is expected")),
        Some(header) => header.map_err(|error| unreadable(&error))?,
    };
    let columns = find_columns(&header)?;
    let mut rows = Vec::new();
    for record in records {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        if rows.len() == MAX_LINES {
            return Err(mistake(line, &format!("more than {MAX_LINES} lines")));
        }
        let entry = parse_record(&record, columns).map_err(|message| Mistake { line, message })?;
        rows.push(Row { line, entry });
    }
    Ok(rows)
}

/// Writes cents as an amount, `-1234.56`.
pub fn amount(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

fn find_columns(header: &csv::StringRecord) -> Result<[usize; 4], Mistake> {
    let mut columns = [0; 4];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        let mut places =
            (0..header.len()).filter(|&place| header[place].trim().eq_ignore_ascii_case(name));
        let Some(place) = places.next() else {
            return Err(mistake(1, &format!("column `{name}` is missing")));
        };
        if places.next().is_some() {
            return Err(mistake(1, &format!("column `{name}` stands twice")));
        }
        *column = place;
    }
    Ok(columns)
}

fn parse_record(record: &csv::StringRecord, columns: [usize; 4]) -> Result<Entry, String> {
    let [date, cents, reference, description] = columns.map(|column| record[column].trim());
    Ok(Entry {
        day: parse_date(date)
            .ok_or_else(|| format!("`{}` is not a date like 2026-11-20", short(date)))?,
        cents: parse_amount(cents)
            .ok_or_else(|| format!("`{}` is not an amount like -1234.56", short(cents)))?,
        reference: parse_text("reference", reference)?,
        description: parse_text("description", description)?,
    })
}

fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    let digits = |range: std::ops::Range<usize>| -> Option<u16> {
        let part = text.get(range)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    if !shaped {
        return None;
    }
    let month = time::Month::try_from(u8::try_from(digits(5..7)?).ok()?).ok()?;
    let day = u8::try_from(digits(8..10)?).ok()?;
    let date = Date::from_calendar_date(i32::from(digits(0..4)?), month, day).ok()?;
    Some(date.to_julian_day())
}

fn parse_amount(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || 2 < fraction.len() {
        return None;
    }
    let fraction_cents = fraction.parse::<i64>().ok()? * if fraction.len() == 1 { 10 } else { 1 };
    let cents = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(fraction_cents)?;
    (cents <= MAX_CENTS).then_some(if negative { -cents } else { cents })
}

fn parse_text(column: &str, text: &str) -> Result<String, String> {
    if MAX_TEXT < text.chars().count() {
        return Err(format!("`{column}` is longer than {MAX_TEXT} characters"));
    }
    // PostgreSQL cannot store it.
    if text.contains('\0') {
        return Err(format!("`{column}` contains a zero byte"));
    }
    Ok(text.to_owned())
}

fn unreadable(error: &csv::Error) -> Mistake {
    let line = error.position().map_or(1, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the text is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns, the header has {expected_len}")
        }
        _ => format!("not CSV: {error}"),
    };
    Mistake { line, message }
}

fn mistake(line: u64, message: &str) -> Mistake {
    Mistake { line, message: message.to_owned() }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "date,amount,reference,description\n";

    fn check_mistake(file: &[u8], line: u64, part: &str) {
        let mistake = parse(file).expect_err("the file has a mistake");
        assert_eq!(mistake.line, line, "{}", mistake.message);
        assert!(mistake.message.contains(part), "{}", mistake.message);
    }

    fn check_amount(text: &str, cents: Option<i64>) {
        assert_eq!(parse_amount(text), cents, "{text}");
    }

    #[test]
    fn columns_stand_in_any_order_among_others() {
        let file = "\u{feff}Description,x,DATE,Amount,reference\r\n\"a, b\",,2026-01-31,-1.5,R\r\n";
        let rows = parse(file.as_bytes()).expect("a valid file");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].line, 2);
        assert_eq!(rows[0].entry.cents, -150);
        assert_eq!(rows[0].entry.description, "a, b");
    }

    #[test]
    fn amounts_are_read_to_the_cent_or_not_at_all() {
        check_amount("12.34", Some(1234));
        check_amount("-0.05", Some(-5));
        check_amount("+7", Some(700));
        check_amount("1.5", Some(150));
        check_amount("10000000000.00", Some(MAX_CENTS));
        check_amount("10000000000.01", None);
        for wrong in
            ["", "-", "1,50", "1.234", "1.", ".5", "1e3", "--1", "٣", "99999999999999999999"]
        {
            check_amount(wrong, None);
        }
    }

    #[test]
    fn an_amount_is_written_as_it_is_read() {
        for text in ["0.00", "-0.05", "12.34", "-1000.00"] {
            assert_eq!(parse_amount(text).map(amount).as_deref(), Some(text));
        }
    }

    #[test]
    fn each_mistake_names_its_line() {
        check_mistake(b"", 1, "empty");
        check_mistake(b"date,amount,description\n", 1, "`reference` is missing");
        check_mistake(b"date,date,amount,reference,description\n", 1, "`date` stands twice");
        let good = "2026-01-02,1.00,R,d\n";
        for (bad, part) in [
            ("2026-02-30,1.00,R,d\n", "not a date"),
            ("02.01.2026,1.00,R,d\n", "not a date"),
            ("2026-1-02x,1.00,R,d\n", "not a date"),
            ("2026-01-02,1.00 EUR,R,d\n", "not an amount"),
            ("2026-01-02,1.00,R\n", "3 columns"),
            ("2026-01-02,1.00,R,a\0b\n", "zero byte"),
        ] {
            check_mistake(format!("{HEADER}{good}{bad}{good}").as_bytes(), 3, part);
        }
        check_mistake(&[HEADER.as_bytes(), b"2026-01-02,1.00,R,\xff\n"].concat(), 2, "UTF-8");
    }

    #[test]
    fn a_quoted_line_break_does_not_shift_the_count() {
        let file = format!("{HEADER}2026-01-02,1,R,\"two\nlines\"\nx,1,R,d\n");
        check_mistake(file.as_bytes(), 4, "not a date");
    }

    #[test]
    fn a_file_has_at_most_two_hundred_thousand_lines() {
        let line = "2026-01-02,1.00,R,d\n";
        let most = HEADER.to_owned() + &line.repeat(MAX_LINES);
        assert_eq!(parse(most.as_bytes()).map(|rows| rows.len()), Ok(MAX_LINES));
        check_mistake((most + line).as_bytes(), 200_002, "more than 200000 lines");
    }
}
