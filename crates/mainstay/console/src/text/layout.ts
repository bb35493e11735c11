// Where the topology's boxes and lines go: pure, and a function of the shape alone, so that a new
// status moves nothing.
//
// Three arrangements: `layers` (listeners left, callers before the called, databases right),
// `grid` when a layer would grow past what a screen shows, and `stack` on a narrow page, with the
// lines as arcs beside one column.

import type { Edge, Node, NodeKind } from '../types';

export interface Box {
  name: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Line {
  key: string;
  from: string;
  to: string;
  path: string;
  /** Where the arrow's tip is, and whether it points to the right. */
  tip: { x: number; y: number; right: boolean };
  label: { x: number; y: number; text: string; full: string } | null;
}

export interface Layout {
  kind: 'layers' | 'grid' | 'stack';
  width: number;
  height: number;
  boxes: Box[];
  lines: Line[];
}

export interface Shape {
  nodes: { name: string; kind: NodeKind }[];
  edges: Edge[];
}

const BOX_H = 66;
const BOX_MIN = 150;
const BOX_MAX = 216;
/** In a grid nothing but the box itself says what it is: its name needs room. */
const BLOCK_MIN = 184;
const GAP_WANTED = 148;
const GAP_MIN = 84;
const ROW_GAP = 20;
const DUMMY_H = 14;
/** A layer with more boxes than this becomes a grid. */
const TALL = 9;
/** The width of one character of a label, and the room around it. */
const CHAR = 6.7;
const LABEL_PAD = 12;
const LABEL_H = 17;

export function shapeOf(nodes: Node[], edges: Edge[]): Shape {
  return { nodes: nodes.map(({ name, kind }) => ({ name, kind })), edges };
}

export function arrange(shape: Shape, width: number): Layout {
  const known = new Set(shape.nodes.map((node) => node.name));
  const joined = join(shape.edges.filter((edge) => known.has(edge.from) && known.has(edge.to)));
  const columns = Math.floor((width + GAP_MIN) / (BOX_MIN + GAP_MIN));
  if (columns < 3) return stack(shape, joined, width);
  const layers = layer(shape, joined, columns);
  const tallest = Math.max(...layers.map((names) => names.length));
  return tallest > TALL ? grid(shape, joined, width) : layered(layers, joined, width);
}

interface Joined {
  from: string;
  to: string;
  labels: string[];
}

/** Several references between the same two nodes are one line. */
function join(edges: Edge[]): Joined[] {
  const found = new Map<string, Joined>();
  for (const { from, to, label } of edges) {
    if (from === to) continue;
    const key = `${from}\n${to}`;
    const line = found.get(key) ?? { from, to, labels: [] };
    if (label !== '') line.labels.push(label);
    found.set(key, line);
  }
  return [...found.values()];
}

const isStore = (kind: NodeKind) =>
  kind === 'database' || kind === 'cache' || kind === 'external';

/** Names by layer, callers before the called; a cycle is cut where it closes. */
function layer(shape: Shape, edges: Joined[], columns: number): string[][] {
  const kinds = new Map(shape.nodes.map((node) => [node.name, node.kind]));
  const callers = (name: string) =>
    edges.filter((edge) => edge.to === name && kinds.get(edge.from) !== 'listener');
  const depths = new Map<string, number>();
  const depth = (name: string, path: Set<string>): number => {
    const before = depths.get(name);
    if (before !== undefined) return before;
    if (path.has(name)) return 0;
    const inner = new Set(path).add(name);
    const found = Math.max(0, ...callers(name).map((edge) => depth(edge.from, inner) + 1));
    depths.set(name, found);
    return found;
  };
  const listeners = shape.nodes.filter((node) => node.kind === 'listener');
  const stores = shape.nodes.filter((node) => isStore(node.kind));
  const services = shape.nodes.filter((node) => node.kind !== 'listener' && !isStore(node.kind));
  const room = Math.max(1, columns - Number(listeners.length > 0) - Number(stores.length > 0));
  const middle: string[][] = [];
  for (const { name } of services) {
    const at = Math.min(depth(name, new Set()), room - 1);
    (middle[at] ??= []).push(name);
  }
  return [listeners.map((node) => node.name), ...middle, stores.map((node) => node.name)].filter(
    (names) => names !== undefined && names.length > 0,
  );
}

interface Slot {
  id: string;
  real: boolean;
  layer: number;
  h: number;
  y: number;
  /** The place within its layer. */
  rank: number;
  before: Slot[];
  after: Slot[];
}

function layered(layers: string[][], edges: Joined[], width: number): Layout {
  const count = layers.length;
  const free = (width - (count - 1) * GAP_WANTED) / count;
  const w = Math.floor(Math.min(BOX_MAX, Math.max(BOX_MIN, free)));
  const gap = count > 1 ? (width - count * w) / (count - 1) : 0;
  const { slots, chains } = chain(layers, edges);
  untangle(slots);
  place(slots);
  const bottom = settle(slots);
  const left = (index: number) => index * (w + gap);
  const boxes = slots.flatMap((column, index) =>
    column
      .filter((slot) => slot.real)
      .map((slot) => ({ name: slot.id, x: left(index), y: slot.y, w, h: BOX_H })),
  );
  const taken: Rect[] = boxes.map((box) => ({ x: box.x, y: box.y, w: box.w, h: box.h }));
  const lines = chains.map(({ edge, path }) => {
    const points = path.map((slot) => ({ slot, x: left(slot.layer) }));
    return draw(edge, points, w, taken);
  });
  return { kind: 'layers', width, height: bottom, boxes, lines };
}

interface Chain {
  edge: Joined;
  path: Slot[];
}

/** Adds an invisible slot wherever a line passes a layer, so that it passes between the boxes. */
function chain(layers: string[][], edges: Joined[]): { slots: Slot[][]; chains: Chain[] } {
  const at = new Map<string, Slot>();
  const slots = layers.map((names, index) =>
    names.map((id) => {
      const slot: Slot = { id, real: true, layer: index, h: BOX_H, y: 0, rank: 0, before: [], after: [] };
      at.set(id, slot);
      return slot;
    }),
  );
  const chains = edges.flatMap((edge) => {
    const from = at.get(edge.from);
    const to = at.get(edge.to);
    if (!from || !to) return [];
    if (to.layer <= from.layer) return [{ edge, path: [from, to] }];
    const path = [from];
    for (let index = from.layer + 1; index < to.layer; index += 1) {
      const id = `${edge.from}>${edge.to}@${index}`;
      const passing: Slot = { id, real: false, layer: index, h: DUMMY_H, y: 0, rank: 0, before: [], after: [] };
      slots[index]?.push(passing);
      path.push(passing);
    }
    path.push(to);
    path.slice(1).forEach((slot, index) => {
      const before = path[index];
      if (!before) return;
      slot.before.push(before);
      before.after.push(slot);
    });
    return [{ edge, path }];
  });
  return { slots, chains };
}

/**
 * Finds an order with few crossings: barycentre sweeps, then swaps of neighbours, from the
 * manifest's order first and then from shuffled ones, always the same; the best is kept.
 */
function untangle(slots: Slot[][]): void {
  let best = slots.map((column) => [...column]);
  slots.forEach(number);
  let fewest = crossings(slots);
  const attempts = slots.flat().length > 40 ? 2 : 14;
  let seed = 11;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    if (attempt > 0) slots.forEach((column) => shuffle(column, random));
    for (let round = 0; round < 4 && fewest > 0; round += 1) {
      order(slots, round % 2 === 0);
      swap(slots);
      const now = crossings(slots);
      if (now >= fewest) continue;
      fewest = now;
      best = slots.map((column) => [...column]);
    }
  }
  best.forEach((column, index) => slots[index]?.splice(0, column.length, ...column));
}

function shuffle(column: Slot[], random: () => number): void {
  for (let i = column.length - 1; i > 0; i -= 1) exchange(column, i, Math.floor(random() * (i + 1)));
}

function crossings(slots: Slot[][]): number {
  return slots.reduce((sum, column) => sum + between(column), 0);
}

/** Crossings between a layer and the next. */
function between(column: Slot[]): number {
  const ends = column.flatMap((slot, index) => slot.after.map((other) => ({ index, other })));
  let sum = 0;
  for (const [i, a] of ends.entries())
    for (const b of ends.slice(i + 1))
      if (a.index !== b.index && a.other.rank > b.other.rank) sum += 1;
  return sum;
}

function swap(slots: Slot[][]): void {
  slots.forEach(number);
  let fewest = crossings(slots);
  for (let pass = 0; pass < 4; pass += 1)
    for (const column of slots)
      for (let i = 0; i + 1 < column.length; i += 1) {
        exchange(column, i, i + 1);
        const now = crossings(slots);
        if (now < fewest) fewest = now;
        else exchange(column, i, i + 1);
      }
}

function exchange(column: Slot[], i: number, j: number): void {
  const [a, b] = [column[i], column[j]];
  if (!a || !b) return;
  column[i] = b;
  column[j] = a;
  b.rank = i;
  a.rank = j;
}

function number(column: Slot[]): void {
  column.forEach((slot, index) => (slot.rank = index));
}

/** One sweep of the barycentre heuristic. */
function order(slots: Slot[][], forwards: boolean): void {
  slots.forEach((column) => column.forEach((slot, index) => (slot.y = index / column.length)));
  const sweep = forwards ? slots : [...slots].reverse();
  for (const column of sweep) {
    const weights = new Map(
      column.map((slot) => {
        const near = forwards ? slot.before : slot.after;
        return [slot, near.length > 0 ? mean(near.map((other) => other.y)) : slot.y];
      }),
    );
    column.sort((a, b) => (weights.get(a) ?? 0) - (weights.get(b) ?? 0));
    column.forEach((slot, index) => (slot.y = index / column.length));
  }
}

/** Moves every slot towards its neighbours, as near as the order and the distances allow. */
function place(slots: Slot[][]): void {
  for (const column of slots) {
    let y = 0;
    for (const slot of column) {
      slot.y = y;
      y += slot.h + ROW_GAP;
    }
    for (const slot of column) slot.y -= y / 2;
  }
  for (let round = 0; round < 12; round += 1) {
    for (const column of round % 2 === 0 ? slots : [...slots].reverse()) {
      const wanted = column.map((slot) => {
        const near = [...slot.before, ...slot.after];
        if (near.length === 0) return slot.y;
        return mean(near.map((other) => other.y + other.h / 2)) - slot.h / 2;
      });
      spread(column, wanted);
    }
  }
}

/** Least squares under a fixed order and minimal distances: pool adjacent violators. */
function spread(column: Slot[], wanted: number[]): void {
  let offset = 0;
  const offsets = column.map((slot) => {
    const own = offset;
    offset += slot.h + ROW_GAP;
    return own;
  });
  const pools: { sum: number; size: number }[] = [];
  wanted.forEach((y, index) => {
    pools.push({ sum: y - (offsets[index] ?? 0), size: 1 });
    for (;;) {
      const last = pools.at(-1);
      const before = pools.at(-2);
      if (!last || !before || before.sum / before.size <= last.sum / last.size) break;
      pools.pop();
      before.sum += last.sum;
      before.size += last.size;
    }
  });
  let index = 0;
  for (const pool of pools) {
    for (let i = 0; i < pool.size; i += 1, index += 1) {
      const slot = column[index];
      if (slot) slot.y = Math.round(pool.sum / pool.size + (offsets[index] ?? 0));
    }
  }
}

/** Moves everything so that it begins at zero; returns the height. */
function settle(slots: Slot[][]): number {
  const all = slots.flat();
  const top = Math.min(...all.map((slot) => slot.y));
  for (const slot of all) slot.y -= top;
  return Math.max(...all.map((slot) => slot.y + slot.h));
}

interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

interface Curve {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

function draw(edge: Joined, points: { slot: Slot; x: number }[], w: number, taken: Rect[]): Line {
  const first = points[0];
  const last = points.at(-1);
  const key = `${edge.from}>${edge.to}`;
  if (!first || !last || last.x <= first.x) return loop(edge, points, w);
  const start = port(first.slot, first.slot.after, points[1]?.slot);
  const end = port(last.slot, last.slot.before, points.at(-2)?.slot);
  const curves: Curve[] = [];
  let x0 = first.x + w;
  let y0 = start;
  let path = `M${x0},${y0}`;
  points.slice(1).forEach(({ slot, x }) => {
    const y1 = slot.real ? end : slot.y + slot.h / 2;
    const x1 = slot.real ? x - 5 : x;
    const bend = (x1 - x0) / 2;
    path += `C${x0 + bend},${y0} ${x1 - bend},${y1} ${x1},${y1}`;
    curves.push({ x0, y0, x1, y1 });
    if (!slot.real) path += `H${x + w}`;
    x0 = x + w;
    y0 = y1;
  });
  return {
    key,
    from: edge.from,
    to: edge.to,
    path,
    tip: { x: last.x - 1, y: end, right: true },
    label: mark(edge.labels, curves, taken),
  };
}

/** Lines leave a box at different heights, in the order of where they go. */
function port(slot: Slot, near: Slot[], other: Slot | undefined): number {
  const sorted = [...near].sort((a, b) => a.y + a.h / 2 - (b.y + b.h / 2));
  const index = other ? sorted.indexOf(other) : 0;
  const step = sorted.length > 1 ? Math.min(16, (slot.h - 20) / (sorted.length - 1)) : 0;
  return slot.y + slot.h / 2 + (index - (sorted.length - 1) / 2) * step;
}

/** A line within a layer or against the direction: out and back in on the right side. */
function loop(edge: Joined, points: { slot: Slot; x: number }[], w: number): Line {
  const a = points[0];
  const b = points.at(-1);
  const y0 = a ? a.slot.y + a.slot.h / 2 + 12 : 0;
  const y1 = b ? b.slot.y + b.slot.h / 2 - 12 : 0;
  const x0 = (a?.x ?? 0) + w;
  const x1 = (b?.x ?? 0) + w;
  const out = Math.max(x0, x1) + 44;
  return {
    key: `${edge.from}>${edge.to}`,
    from: edge.from,
    to: edge.to,
    path: `M${x0},${y0}C${out},${y0} ${out},${y1} ${x1 + 5},${y1}`,
    tip: { x: x1 + 1, y: y1, right: false },
    label: null,
  };
}

/** The first place along the line where its label covers nothing. */
function mark(labels: string[], curves: Curve[], taken: Rect[]): Line['label'] {
  const name = labels[0];
  if (name === undefined) return null;
  const full = labels.join(', ');
  const more = labels.length > 1 ? ` +${labels.length - 1}` : '';
  for (const curve of [curves[0], curves.at(-1)]) {
    if (!curve) continue;
    const room = Math.floor((curve.x1 - curve.x0 - LABEL_PAD - 8) / CHAR) - more.length;
    const text = (name.length > room ? `${name.slice(0, Math.max(3, room - 1))}…` : name) + more;
    const w = text.length * CHAR + LABEL_PAD;
    const least = curve.x0 + w / 2 + 2;
    const slack = Math.max(0, curve.x1 - w / 2 - 6 - least);
    for (const share of [0.5, 0.3, 0.7, 0.1, 0.9, 0, 1]) {
      const x = least + slack * share;
      const y = heightAt(curve, x);
      const rect = { x: x - w / 2, y: y - LABEL_H / 2, w, h: LABEL_H };
      if (taken.some((other) => overlap(rect, other))) continue;
      taken.push(rect);
      return { x, y, text, full };
    }
  }
  return null;
}

/** The line's height at `x`: a line only ever goes right, so halving finds it. */
function heightAt(curve: Curve, x: number): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 20; i += 1) {
    const middle = (low + high) / 2;
    if (along(curve, middle).x < x) low = middle;
    else high = middle;
  }
  return along(curve, low).y;
}

function along({ x0, y0, x1, y1 }: Curve, t: number): { x: number; y: number } {
  const bend = (x1 - x0) / 2;
  const u = 1 - t;
  const mix = (a: number, b: number, c: number, d: number) =>
    u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d;
  return { x: mix(x0, x0 + bend, x1 - bend, x1), y: mix(y0, y0, y1, y1) };
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/** Listeners and databases at the sides, services as a block between them. */
function grid(shape: Shape, edges: Joined[], width: number): Layout {
  const side = BOX_MIN + 10;
  const listeners = shape.nodes.filter((node) => node.kind === 'listener');
  const stores = shape.nodes.filter((node) => isStore(node.kind));
  const services = shape.nodes.filter((node) => node.kind !== 'listener' && !isStore(node.kind));
  const margin = (nodes: unknown[]) => (nodes.length > 0 ? side + GAP_MIN * 0.7 : 0);
  const room = width - margin(listeners) - margin(stores);
  const columns = Math.max(1, Math.floor((room + 12) / (BLOCK_MIN + 12)));
  const w = (room - (columns - 1) * 12) / columns;
  const rows = Math.max(Math.ceil(services.length / columns), listeners.length, stores.length);
  const step = BOX_H + 12;
  const height = rows * step - 12;
  const column = (nodes: { name: string }[], x: number): Box[] => {
    const top = (height - (nodes.length * step - 12)) / 2;
    return nodes.map(({ name }, i) => ({ name, x, y: top + i * step, w: side, h: BOX_H }));
  };
  const block = services.map(({ name }, index) => ({
    name,
    x: margin(listeners) + (index % columns) * (w + 12),
    y: Math.floor(index / columns) * step,
    w,
    h: BOX_H,
  }));
  const boxes = [...column(listeners, 0), ...block, ...column(stores, width - side)];
  const at = new Map(boxes.map((box) => [box.name, box]));
  const lines = edges.flatMap((edge) => {
    const a = at.get(edge.from);
    const b = at.get(edge.to);
    return a && b ? [straight(edge, a, b)] : [];
  });
  return { kind: 'grid', width, height, boxes, lines };
}

function straight(edge: Joined, a: Box, b: Box): Line {
  const right = b.x > a.x;
  const x0 = right ? a.x + a.w : a.x;
  const x1 = right ? b.x - 5 : b.x + b.w + 5;
  const y0 = a.y + a.h / 2;
  const y1 = b.y + b.h / 2;
  const bend = Math.max(24, Math.abs(x1 - x0) / 2) * (right ? 1 : -1);
  return {
    key: `${edge.from}>${edge.to}`,
    from: edge.from,
    to: edge.to,
    path: `M${x0},${y0}C${x0 + bend},${y0} ${x1 - bend},${y1} ${x1},${y1}`,
    tip: { x: x1 + (right ? 4 : -4), y: y1, right },
    label: null,
  };
}

/** One column, in the order of the manifest, with the lines as arcs on its left. */
function stack(shape: Shape, edges: Joined[], width: number): Layout {
  const gutter = 38;
  const rank = (kind: NodeKind) => (kind === 'listener' ? 0 : isStore(kind) ? 2 : 1);
  const sorted = [...shape.nodes].sort((a, b) => rank(a.kind) - rank(b.kind));
  const boxes = sorted.map(({ name }, index) => ({
    name,
    x: gutter,
    y: index * (BOX_H + 10),
    w: width - gutter,
    h: BOX_H,
  }));
  const at = new Map(boxes.map((box, index) => [box.name, { box, index }]));
  const lines = edges.flatMap((edge) => {
    const a = at.get(edge.from);
    const b = at.get(edge.to);
    if (!a || !b) return [];
    const far = Math.min(gutter - 6, 10 + 5 * Math.abs(b.index - a.index)) * 1.3;
    const y0 = a.box.y + BOX_H / 2 + 6;
    const y1 = b.box.y + BOX_H / 2 - 6;
    const end = gutter - 6;
    return [
      {
        key: `${edge.from}>${edge.to}`,
        from: edge.from,
        to: edge.to,
        path: `M${gutter},${y0}C${gutter - far},${y0} ${gutter - far},${y1} ${end},${y1}`,
        tip: { x: gutter - 1, y: y1, right: true },
        label: null,
      },
    ];
  });
  return { kind: 'stack', width, height: sorted.length * (BOX_H + 10) - 10, boxes, lines };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
