//! What was measured in the last hour, until telemetry keeps it for years.
//!
//! [`Samples`] is the trait that telemetry will implement; nobody but this file knows that today
//! it is a ring in memory. A point every ten seconds and at most [`MOST_SERIES`] series: about
//! 3 MiB at the very most; series beyond that are not kept.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::Mutex;

use crate::{Sample, Series};

/// Answers questions about what was measured.
pub trait Samples: Debug + Send + Sync {
    /// Every series of a metric, oldest sample first, over the last `window_seconds`.
    fn query(&self, metric: &str, window_seconds: u32) -> Vec<Series>;
}

const WINDOW_SECONDS: i64 = 3_600;
const STEP_SECONDS: i64 = 10;
const MOST_SERIES: usize = 500;

/// A bounded hour in memory.
#[derive(Debug, Default)]
pub(crate) struct Hour {
    series: Mutex<BTreeMap<(&'static str, String), VecDeque<Sample>>>,
}

impl Hour {
    /// Adds one point; points closer than the step replace the last.
    pub(crate) fn record(&self, metric: &'static str, subject: &str, sample: Sample) {
        let mut all = self.series.lock().expect("no holder of the lock panics");
        let oldest = sample.at - WINDOW_SECONDS * 1_000;
        if all.len() >= MOST_SERIES && !all.contains_key(&(metric, subject.to_owned())) {
            all.retain(|_, samples| samples.back().is_some_and(|last| oldest < last.at));
            if all.len() >= MOST_SERIES {
                return;
            }
        }
        let samples = all.entry((metric, subject.to_owned())).or_default();
        let mut newest = samples.iter().rev();
        if let (Some(last), Some(before)) = (newest.next(), newest.next())
            && last.at - before.at < STEP_SECONDS * 1_000
        {
            samples.pop_back();
        }
        samples.push_back(sample);
        while samples.front().is_some_and(|first| first.at < oldest) {
            samples.pop_front();
        }
    }
}

impl Samples for Hour {
    fn query(&self, metric: &str, window_seconds: u32) -> Vec<Series> {
        let all = self.series.lock().expect("no holder of the lock panics");
        let newest = all.values().filter_map(|samples| samples.back()).map(|last| last.at).max();
        let oldest = newest.unwrap_or_default() - i64::from(window_seconds) * 1_000;
        let chosen = all.iter().filter(|((name, _), _)| *name == metric);
        chosen
            .map(|((name, subject), samples)| Series {
                metric: (*name).to_owned(),
                subject: subject.clone(),
                samples: samples.iter().filter(|sample| oldest <= sample.at).copied().collect(),
            })
            .filter(|series| !series.samples.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(seconds: &[i64]) -> Hour {
        let hour = Hour::default();
        for &second in seconds {
            #[expect(clippy::cast_precision_loss, reason = "small test numbers")]
            hour.record("m", "api", Sample { at: second * 1_000, value: second as f64 });
        }
        hour
    }

    #[test]
    fn a_point_a_second_is_thinned_to_one_every_ten_seconds_and_the_newest_is_kept() {
        let hour = recorded(&(0..=100).collect::<Vec<_>>());
        let series = hour.query("m", 3_600);
        let samples = &series.first().unwrap().samples;
        assert!(samples.len() <= 12, "{}", samples.len());
        assert_eq!(samples.last().unwrap().at, 100_000);
    }

    #[test]
    fn what_is_older_than_an_hour_is_forgotten() {
        let hour = recorded(&[0, 20, 3_700]);
        assert_eq!(hour.query("m", 3_600).first().unwrap().samples.len(), 1);
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let hour = Hour::default();
        for number in 0..2 * MOST_SERIES {
            hour.record("m", &number.to_string(), Sample { at: 1, value: 0.0 });
        }
        assert_eq!(hour.query("m", 10).len(), MOST_SERIES);
    }
}
