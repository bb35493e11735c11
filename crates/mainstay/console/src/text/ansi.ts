// Terminal colours of log lines as classes; every other escape sequence is dropped.
//
// Colours become names, never values: the theme decides how `red` looks, so that it stays
// readable on either background, and nothing from a log line reaches a style.

export interface Piece {
  text: string;
  /** Class names, such as `fg-1 bold`. */
  look: string;
}

// CSI sequences, OSC sequences up to their end, and two-character escapes.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\u001b(?:\[([0-9;:?<=>]*)([ -/]*[@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g;
// Control characters that would draw nothing or move the cursor.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

export function plain(text: string): string {
  return text.replace(ESCAPE, '').replace(CONTROL, '');
}

interface Look {
  colour: number | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
}

const PLAIN: Look = { colour: null, bold: false, dim: false, italic: false, underline: false };

export function pieces(text: string): Piece[] {
  if (!text.includes('\u001b')) return [{ text: text.replace(CONTROL, ''), look: '' }];
  const found: Piece[] = [];
  let look = { ...PLAIN };
  let start = 0;
  const push = (end: number) => {
    const part = text.slice(start, end).replace(CONTROL, '');
    if (part !== '') found.push({ text: part, look: classes(look) });
  };
  for (const match of text.matchAll(ESCAPE)) {
    push(match.index);
    start = match.index + match[0].length;
    if (match[2] === 'm') look = change(look, match[1] ?? '');
  }
  push(text.length);
  return found;
}

function classes(look: Look): string {
  const names: string[] = [];
  if (look.colour !== null) names.push(`fg-${look.colour}`);
  if (look.bold) names.push('bold');
  if (look.dim) names.push('dim');
  if (look.italic) names.push('italic');
  if (look.underline) names.push('underline');
  return names.join(' ');
}

function change(before: Look, parameters: string): Look {
  const look = { ...before };
  const codes = parameters.split(/[;:]/).map((code) => Number(code || '0'));
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) Object.assign(look, PLAIN);
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4) look.underline = true;
    else if (code === 22) look.bold = look.dim = false;
    else if (code === 23) look.italic = false;
    else if (code === 24) look.underline = false;
    else if (30 <= code && code <= 37) look.colour = code - 30;
    else if (90 <= code && code <= 97) look.colour = code - 90 + 8;
    else if (code === 39) look.colour = null;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(i + 1));
      if (code === 38) look.colour = colour;
      i += used;
    }
  }
  return look;
}

/** `5;n` and `2;r;g;b`, as the nearest of the sixteen names. */
function extended(codes: number[]): [number | null, number] {
  if (codes[0] === 5) {
    const n = codes[1] ?? 0;
    if (n < 16) return [n, 2];
    if (n >= 232) return [n < 244 ? 8 : 7, 2];
    const cube = n - 16;
    const level = (value: number) => value * 51;
    return [nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)), 2];
  }
  if (codes[0] === 2) return [nearest(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
  return [null, codes.length];
}

function nearest(red: number, green: number, blue: number): number {
  const top = Math.max(red, green, blue);
  const bottom = Math.min(red, green, blue);
  if (top - bottom < 40) return top < 128 ? 8 : 7;
  const middle = (top + bottom) / 2;
  const bits = Number(red > middle) + 2 * Number(green > middle) + 4 * Number(blue > middle);
  return top > 200 ? bits + 8 : bits;
}
