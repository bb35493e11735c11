// What the page knows of the application, and how old that knowledge is.
//
// One stream feeds everything. While it is broken the last status stays on the page, and the age
// of that status is shown with the word `stale`: an old value never passes for a new one.

import type { AppEvent, AppStatus, Health } from '../types';
import * as api from './api';

/** More events than this are dropped from the page, oldest first; the server keeps them. */
const KEPT_EVENTS = 2000;

/** The server sends at least a comment every 15 s; a longer silence means a dead connection. */
const SILENCE_MS = 25_000;

const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 5000;

type Link = 'connecting' | 'open' | 'lost';

class Live {
  status = $state.raw<AppStatus | null>(null);
  events = $state.raw<AppEvent[]>([]);
  link = $state<Link>('connecting');
  locked = $state(false);
  /** Whether a token was offered and refused. */
  refused = $state(false);
  /** Moves every second; everything that shows an age reads it. */
  clock = $state(Date.now());
  /** When the last status came, by this machine's clock. */
  receivedAt = $state(0);

  #aheadMs = $state(0);
  #lastId = '';
  #stop = new AbortController();
  #listeners = new Set<(status: AppStatus) => void>();

  /** The server's clock, so that a browser with a wrong one still shows right ages. */
  get now(): number {
    return this.clock + this.#aheadMs;
  }

  get stale(): boolean {
    return this.link === 'lost' && this.status !== null;
  }

  /** How long ago the shown status was true. */
  get dataAge(): number {
    return Math.max(0, this.clock - this.receivedAt);
  }

  /** The application's health as far as it can be relied on. */
  get health(): Health {
    if (!this.status) return { word: 'not-measured', reason: 'connecting', since: this.now };
    if (!this.stale) return this.status.health;
    return { word: 'stale', reason: 'connection lost', since: this.receivedAt + this.#aheadMs };
  }

  /** Calls `listener` with every new status; returns how to stop. */
  onStatus(listener: (status: AppStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    api.whenLocked(() => {
      this.locked = true;
      this.#stop.abort();
    });
    setInterval(() => (this.clock = Date.now()), 1000);
    addEventListener('hashchange', () => {
      if (location.hash.startsWith('#token=')) location.reload();
    });
    await this.#exchangeToken();
    if (!this.locked) void this.#follow();
  }

  /** The token leaves the address bar before anything else, so that it is not kept in history. */
  async #exchangeToken(): Promise<void> {
    const token = new URLSearchParams(location.hash.slice(1)).get('token');
    if (!token) return;
    history.replaceState(null, '', location.pathname + location.search);
    try {
      await api.openSession(token);
    } catch (error) {
      if (error instanceof api.Locked) this.refused = true;
    }
  }

  async #follow(): Promise<void> {
    let wait = FIRST_RETRY_MS;
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#lastId === '') this.#learn(await api.events(500));
        await this.#readOnce(() => {
          wait = FIRST_RETRY_MS;
          this.link = 'open';
        });
      } catch (error) {
        if (error instanceof api.Locked) return;
      }
      this.link = 'lost';
      await new Promise((resume) => setTimeout(resume, wait));
      wait = Math.min(wait * 2, LAST_RETRY_MS);
    }
  }

  async #readOnce(opened: () => void): Promise<void> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
    };
    const signal = AbortSignal.any([silence.signal, this.#stop.signal]);
    try {
      await api.readStream(
        '/api/stream',
        { lastId: this.#lastId, signal, opened, alive },
        (message) => this.#take(message),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #take(message: api.Message): void {
    if (message.id !== '') this.#lastId = message.id;
    if (message.event === 'event') this.#learn([JSON.parse(message.data) as AppEvent]);
    if (message.event !== 'status') return;
    const status = JSON.parse(message.data) as AppStatus;
    this.receivedAt = Date.now();
    this.clock = this.receivedAt;
    this.#aheadMs = status.at - this.receivedAt;
    this.status = status;
    for (const listener of this.#listeners) listener(status);
  }

  #learn(more: AppEvent[]): void {
    const known = this.events.at(-1)?.id ?? -1;
    const fresh = more.filter((event) => event.id > known).sort((a, b) => a.id - b.id);
    if (fresh.length === 0) return;
    this.events = [...this.events, ...fresh].slice(-KEPT_EVENTS);
    this.#lastId = String(fresh.at(-1)?.id ?? this.#lastId);
  }
}

export const live = new Live();
