// Every request of the page, and the one place that notices that the session has ended.

import type { AppEvent, LogLine, Metric, ProblemBody, Series } from '../types';

/** The session is missing or over; the page is locked until a new address is opened. */
export class Locked extends Error {}

/** The server answered, but not with success. */
export class Refused extends Error {}

/** One event of a server-sent stream. */
export interface Message {
  event: string;
  id: string;
  data: string;
}

let onLocked: () => void = () => {};

/** Says what is done when any request is answered with 401. */
export function whenLocked(action: () => void): void {
  onLocked = action;
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...init });
  if (response.status === 401) {
    onLocked();
    throw new Locked('the session is missing or over');
  }
  if (!response.ok) throw new Refused(await problem(response));
  return response;
}

async function problem(response: Response): Promise<string> {
  const fallback = `the server answered ${response.status}`;
  if (!response.headers.get('content-type')?.includes('json')) return fallback;
  const body = (await response.json().catch(() => ({}))) as ProblemBody;
  return [body.title, body.detail].filter(Boolean).join(': ') || fallback;
}

function query(path: string, values: Record<string, string | number | undefined>): string {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  return text === '' ? path : `${path}?${text}`;
}

async function post(path: string, body?: unknown): Promise<void> {
  await request(path, {
    method: 'POST',
    headers: { 'x-mainstay': '1', 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
}

/** Exchanges the token of the address for a cookie. */
export const openSession = (token: string) => post('/api/session', { token });

export const restart = (service: string) => post(`/api/restart/${encodeURIComponent(service)}`);

export const runJob = (job: string) => post(`/api/run/${encodeURIComponent(job)}`);

/** The newest `limit` events. */
export async function events(limit: number): Promise<AppEvent[]> {
  const response = await request(query('/api/events', { limit }));
  return ((await response.json()) as { events: AppEvent[] }).events;
}

export interface LogQuery {
  service?: string | undefined;
  grep?: string | undefined;
  since?: number | undefined;
  limit?: number | undefined;
}

export async function logs(wanted: LogQuery, signal: AbortSignal): Promise<LogLine[]> {
  const response = await request(query('/api/logs', { ...wanted }), { signal });
  return ((await response.json()) as { lines: LogLine[] }).lines;
}

export const logStream = (wanted: LogQuery) => query('/api/logs/stream', { ...wanted });

export async function samples(metric: Metric, window: number): Promise<Series[]> {
  const response = await request(query('/api/samples', { metric, window }));
  return ((await response.json()) as { series: Series[] }).series;
}

/**
 * Reads one server-sent stream until it ends, and throws when it breaks.
 *
 * `EventSource` is not used: it hides the status of a refusal, and gives up for good on one.
 */
export async function readStream(
  path: string,
  options: { lastId?: string; signal: AbortSignal; opened: () => void; alive?: () => void },
  each: (message: Message) => void,
): Promise<void> {
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (options.lastId) headers['last-event-id'] = options.lastId;
  const response = await request(path, { headers, signal: options.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  options.opened();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    options.alive?.();
    const blocks = (rest + value).replaceAll('\r\n', '\n').split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const message = parse(block);
      if (message) each(message);
    }
  }
}

function parse(block: string): Message | null {
  const message: Message = { event: 'message', id: '', data: '' };
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, '');
    const field = line.slice(0, colon);
    if (field === 'event') message.event = value;
    else if (field === 'id') message.id = value;
    else if (field === 'data') data.push(value);
  }
  message.data = data.join('\n');
  return data.length > 0 ? message : null;
}
