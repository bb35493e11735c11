// A log line as the page keeps it: text to search, and the parts of a JSON line worth a glance.

import type { LogLine } from '../types';
import { plain } from './ansi';

export interface Line extends LogLine {
  /** Counts up within the page. */
  key: number;
  json: Record<string, unknown> | null;
  /** `error`, `warn`, ... of a JSON line; empty otherwise. */
  level: string;
  /** The message of a JSON line. */
  message: string;
  /** The other fields of a JSON line, on one line. */
  rest: string;
}

const LEVELS = ['level', 'lvl', 'severity'];
const MESSAGES = ['message', 'msg', 'event'];
const TIMES = ['time', 'timestamp', 'ts', '@timestamp'];

let keys = 0;

export function keep(line: LogLine): Line {
  keys += 1;
  const json = parse(line.text);
  if (!json) return { ...line, key: keys, json: null, level: '', message: '', rest: '' };
  // `tracing` nests the message and its fields.
  const nested = json.fields;
  const flat = isRecord(nested) ? { ...json, ...nested, fields: undefined } : json;
  const level = pick(flat, LEVELS);
  const message = pick(flat, MESSAGES);
  const skip = new Set([...LEVELS, ...MESSAGES, ...TIMES]);
  const rest = Object.entries(flat)
    .filter(([key, value]) => !skip.has(key) && value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('  ');
  return { ...line, key: keys, json, level: level.toLowerCase(), message, rest: plain(rest) };
}

export function same(a: LogLine, b: LogLine): boolean {
  return a.at === b.at && a.instance === b.instance && a.text === b.text;
}

function parse(text: string): Record<string, unknown> | null {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) return null;
  try {
    const value: unknown = JSON.parse(trimmed);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pick(from: Record<string, unknown>, keys: string[]): string {
  for (const key of keys) {
    const value = from[key];
    if (typeof value === 'string') return plain(value);
  }
  return '';
}
