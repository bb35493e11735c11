// Numbers and times as people read them.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `12 s`, `3 min`, `2 h 5 min`, `4 d`. */
export function span(ms: number): string {
  const value = Math.max(0, ms);
  if (value < MINUTE) return `${Math.floor(value / SECOND)} s`;
  if (value < HOUR) return `${Math.floor(value / MINUTE)} min`;
  if (value < DAY) {
    const minutes = Math.floor((value % HOUR) / MINUTE);
    const hours = `${Math.floor(value / HOUR)} h`;
    return minutes > 0 ? `${hours} ${minutes} min` : hours;
  }
  return `${Math.floor(value / DAY)} d`;
}

/** `3 min ago`, `in 40 s`. */
export function relative(at: number, now: number): string {
  return at <= now ? `${span(now - at)} ago` : `in ${span(at - now)}`;
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled.toFixed(unit === 0 || scaled >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** `38.0 of 256 MiB`. */
export function portion(value: number, limit: number): string {
  const [amount, unit] = bytes(value).split(' ');
  const whole = bytes(limit);
  return whole.endsWith(` ${unit}`) ? `${amount} of ${whole}` : `${amount} ${unit} of ${whole}`;
}

/** Thousandths of a core as a share of one core. */
export function cpu(millis: number): string {
  const percent = millis / 10;
  return `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/** At most three digits that matter: `0`, `0.42`, `7.1`, `128`, `12.4 k`. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.005) return '< 0.01';
  if (size < 1) return value.toFixed(2);
  if (size < 10) return value.toFixed(1);
  if (size < 1000) return value.toFixed(0);
  if (size < 1e6) return `${(value / 1e3).toFixed(size < 1e5 ? 1 : 0)} k`;
  return `${(value / 1e6).toFixed(1)} M`;
}

export function millis(value: number | null): string {
  if (value === null) return '–';
  if (value === 0) return '0 ms';
  if (value < 1) return `${value.toFixed(2)} ms`;
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${value.toFixed(0)} ms`;
  return `${(value / 1000).toFixed(1)} s`;
}

export function count(value: number): string {
  return value.toLocaleString('en-GB');
}

const two = (value: number) => String(value).padStart(2, '0');

export function clock(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** With thousandths, for log lines. */
export function preciseClock(ms: number): string {
  return `${clock(ms)}.${String(Math.floor(ms) % 1000).padStart(3, '0')}`;
}

export function hourMinute(ms: number): string {
  return clock(ms).slice(0, 5);
}

export function day(ms: number): string {
  return new Date(ms).toLocaleDateString('en-GB', {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
  });
}

export function plural(amount: number, noun: string): string {
  return `${count(amount)} ${noun}${amount === 1 ? '' : 's'}`;
}
