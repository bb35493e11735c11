// The log lines on the page: a backlog, then the live tail, joined without a gap or a repeat.

import type { LogLine } from '../types';
import { keep, same, type Line } from '../text/log';
import * as api from './api';

/** More lines than this are dropped from the page, oldest first. */
export const CAP = 5000;

const BACKLOG = 1000;
const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 5000;

export class Tail {
  lines = $state.raw<Line[]>([]);
  /** Lines that came while paused; they are shown when the reader goes on. */
  waiting = $state(0);
  paused = $state(false);
  link = $state<'connecting' | 'open' | 'lost'>('connecting');
  problem = $state('');
  /** How many lines have left at the top, so that what is read can stay in place. */
  dropped = $state(0);

  #stop = new AbortController();
  #held: Line[] = [];
  #batch: LogLine[] = [];
  #frame = 0;

  constructor(private wanted: { service?: string; grep?: string }) {}

  start(): void {
    void this.#follow();
  }

  end(): void {
    this.#stop.abort();
    cancelAnimationFrame(this.#frame);
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    if (paused) return;
    this.#show(this.#held);
    this.#held = [];
    this.waiting = 0;
  }

  clear(): void {
    this.dropped += this.lines.length;
    this.lines = [];
  }

  async #follow(): Promise<void> {
    let wait = FIRST_RETRY_MS;
    let since: number | undefined;
    const signal = this.#stop.signal;
    while (!signal.aborted) {
      try {
        // The stream first and the backlog second: what comes in between is in both, not in neither.
        let early: LogLine[] | null = [];
        const reading = api.readStream(api.logStream(this.wanted), { signal, opened: () => {} }, (message) => {
          if (message.event !== 'line') return;
          const line = JSON.parse(message.data) as LogLine;
          if (early) early.push(line);
          else this.#take([line]);
        });
        // A failure of the stream is thrown below, after the backlog.
        reading.catch(() => {});
        const old = await api.logs({ ...this.wanted, since, limit: BACKLOG }, signal);
        this.#take(this.#unknown(old));
        this.#take(this.#unknown(early));
        early = null;
        this.link = 'open';
        this.problem = '';
        wait = FIRST_RETRY_MS;
        await reading;
      } catch (error) {
        if (signal.aborted || error instanceof api.Locked) return;
        this.problem = error instanceof Error ? error.message : String(error);
      }
      if (signal.aborted) return;
      this.link = 'lost';
      const newest = this.#newest().at(-1);
      since = newest ? Math.floor(newest.at / 1000) : undefined;
      await new Promise((resume) => setTimeout(resume, wait));
      wait = Math.min(wait * 2, LAST_RETRY_MS);
    }
  }

  /** What is on the page or on its way to it, newest last. */
  #newest(): LogLine[] {
    return [...this.lines.slice(-BACKLOG), ...this.#held, ...this.#batch];
  }

  #unknown(lines: LogLine[]): LogLine[] {
    const known = this.#newest();
    return lines.filter((line) => !known.some((other) => same(line, other)));
  }

  /** Lines of one frame are shown at once: a busy service costs one drawing, not hundreds. */
  #take(lines: LogLine[]): void {
    if (lines.length === 0) return;
    this.#batch.push(...lines);
    if (this.#batch.length > CAP) this.#batch.splice(0, this.#batch.length - CAP);
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const fresh = this.#batch.map(keep);
      this.#batch = [];
      if (!this.paused) return this.#show(fresh);
      this.#held = [...this.#held, ...fresh].slice(-CAP);
      this.waiting = this.#held.length;
    });
  }

  #show(fresh: Line[]): void {
    if (fresh.length === 0) return;
    const all = [...this.lines, ...fresh];
    // Instances are captured apart, so that neighbours may arrive a little out of order.
    if (all.some((line, i) => i > 0 && line.at < (all[i - 1]?.at ?? 0))) all.sort((a, b) => a.at - b.at);
    this.dropped += Math.max(0, all.length - CAP);
    this.lines = all.slice(-CAP);
  }
}
