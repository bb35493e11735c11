// From samples to what a chart draws: one value per step, with gaps where nothing was measured.

import type { Sample, Series } from '../types';

export interface Point {
  at: number;
  /** Absent where nothing was measured. */
  value: number | null;
}

export type Fold = 'mean' | 'max';

/** Samples are kept every ten seconds; further apart than this, something was not measured. */
const GAP_MS = 30_000;

/**
 * Cuts the window into `steps` equal parts, folds each series' samples of a part into one value and
 * bridges the parts between two samples that belong together; then `join` makes one value of all
 * series. Parts end at `end`, the newest moment.
 */
export function points(
  series: Series[],
  end: number,
  window: number,
  steps: number,
  fold: Fold,
  join: 'sum' | 'max',
): Point[] {
  const size = window / steps;
  // Whole parts: a part's samples stay together while time moves on, so the line does not flicker.
  const last = Math.floor(end / size);
  const totals: (number | null)[] = Array.from({ length: steps }, () => null);
  for (const one of series) {
    const sums = new Float64Array(steps);
    const counts = new Uint32Array(steps);
    for (const { at, value } of one.samples) {
      const index = Math.floor(at / size) - (last - steps + 1);
      if (index < 0 || steps <= index) continue;
      sums[index] = fold === 'max' ? Math.max(sums[index] ?? 0, value) : (sums[index] ?? 0) + value;
      counts[index] = (counts[index] ?? 0) + 1;
    }
    const values = Array.from(counts, (count, i) =>
      count === 0 ? null : (sums[i] ?? 0) / (fold === 'max' ? 1 : count),
    );
    bridge(values, Math.floor(GAP_MS / size)).forEach((value, i) => {
      const before = totals[i] ?? null;
      if (value === null) return;
      if (before === null) totals[i] = value;
      else totals[i] = join === 'max' ? Math.max(before, value) : before + value;
    });
  }
  return totals.map((value, index) => ({ at: (last - steps + 1 + index) * size, value }));
}

/** Fills at most `most` absent values in a row on the line between their neighbours. */
function bridge(values: (number | null)[], most: number): (number | null)[] {
  const filled = [...values];
  let last = -1;
  values.forEach((value, i) => {
    if (value === null) return;
    const from = values[last] ?? null;
    if (last >= 0 && from !== null && i - last - 1 <= most) {
      for (let k = last + 1; k < i; k += 1) {
        filled[k] = from + ((value - from) * (k - last)) / (i - last);
      }
    }
    last = i;
  });
  return filled;
}

/** The axis from zero to a round number, with at most four marks above zero. */
export function axis(top: number): number[] {
  if (top <= 0) return [0, 1];
  const rough = top / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? 10 * power;
  const marks = [0];
  while ((marks.at(-1) ?? 0) < top) marks.push(marks.length * step);
  return marks;
}

/** The unbroken stretches of a line. */
export function stretches(all: Point[]): { at: number; value: number }[][] {
  const found: { at: number; value: number }[][] = [];
  let open: { at: number; value: number }[] | null = null;
  for (const { at, value } of all) {
    if (value === null) {
      open = null;
      continue;
    }
    if (!open) {
      open = [];
      found.push(open);
    }
    open.push({ at, value });
  }
  return found;
}

/** Adds a sample and forgets what is older than an hour. */
export function append(series: Series[], metric: Series['metric'], subject: string, sample: Sample): Series[] {
  const limit = sample.at - 3_600_000;
  const known = series.find((one) => one.subject === subject);
  if (!known) return [...series, { metric, subject, samples: [sample] }];
  if ((known.samples.at(-1)?.at ?? 0) >= sample.at) return series;
  known.samples.push(sample);
  while ((known.samples[0]?.at ?? sample.at) < limit) known.samples.shift();
  return series;
}
