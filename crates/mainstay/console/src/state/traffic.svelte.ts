// Samples of up to an hour: asked for once per window and after each reconnection, then continued
// by each status.

import type { AppStatus, Metric, Series } from '../types';
import { append } from '../text/chart';
import * as api from './api';
import { live } from './live.svelte';

type Known = Record<'requests_per_second' | 'errors_per_second' | 'p95_ms', Series[]>;

class Traffic {
  // Samples are appended in place, thousands of them; `version` says when to look again.
  series: Known = { requests_per_second: [], errors_per_second: [], p95_ms: [] };
  version = $state(0);
  error = $state('');
  /** How many seconds are known. */
  #covered = 0;

  /** Follows until the returned function is called. */
  watch(): () => void {
    return live.onStatus((status) => this.#add(status));
  }

  /** What was known before is not trusted to be whole any more. */
  forget(): void {
    this.#covered = 0;
  }

  /** Loads `seconds` of the past unless they are known. */
  async load(seconds: number): Promise<void> {
    if (seconds <= this.#covered) return;
    this.#covered = seconds;
    try {
      const get = (metric: Metric) => api.samples(metric, seconds);
      const [requests, errors, p95] = await Promise.all([
        get('requests_per_second'),
        get('errors_per_second'),
        get('p95_ms'),
      ]);
      this.series = { requests_per_second: requests, errors_per_second: errors, p95_ms: p95 };
      this.error = '';
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
      this.#covered = 0;
    }
    this.version += 1;
  }

  #add(status: AppStatus): void {
    for (const route of status.routes) {
      const put = (metric: keyof Known, value: number | null) => {
        if (value === null) return;
        this.series[metric] = append(this.series[metric], metric, route.name, { at: status.at, value });
      };
      put('requests_per_second', route.per_second);
      put('errors_per_second', route.errors_per_second);
      put('p95_ms', route.p95_ms);
    }
    this.version += 1;
  }
}

export const traffic = new Traffic();
