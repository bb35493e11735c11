// A stand-in for the admin API with data that changes: for `npm run dev`, for the page's own
// tests and for screenshots. It also serves `dist/` under the strict policy the real server has.
//
//   PORT=24010        where it listens; 0 takes any free port
//   SERVICES=50       adds made-up services
//   CALM=1            nothing fails, nothing is random: for screenshots that compare
//
// POST /mock/drop?for=<ms> cuts every stream and refuses everything for that long;
// POST /mock/lock and /mock/unlock end and restore every session.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const PORT = Number(process.env.PORT ?? 24010);
const EXTRA = Number(process.env.SERVICES ?? 0);
const CALM = process.env.CALM === '1';
const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const MIB = 1024 * 1024;
const started = Date.now() - 83 * 60_000;

let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const wave = (at, period, phase = 0) => Math.sin((at / period + phase) * 2 * Math.PI);

// ---- what runs ---------------------------------------------------------------------------------

const instance = (id, port, more = {}) => ({
  id, phase: 'ready', reason: null, role: null, pid: 21400 + port % 1000,
  address: `127.0.0.1:${port}`, started_at: started + 4000, restarts: 0, cpu_millis: 40,
  memory: 60 * MIB, memory_limit: 256 * MIB, ...more,
});
const ok = (since = started + 6000) => ({ word: 'ok', since });
const node = (name, kind, detail, instances, more = {}) => ({
  name, kind, detail, health: ok(), activity: '', wanted: instances.length, instances, ...more,
});

const nodes = [
  node('public', 'listener', '127.0.0.1:8080', []),
  node('web', 'service', 'nextjs', [instance('web-1', 41001, { memory: 143 * MIB, memory_limit: 512 * MIB })]),
  node('api', 'service', 'cargo', [
    instance('api-1', 41011, { memory: 38 * MIB }),
    instance('api-2', 41012, { memory: 41 * MIB }),
  ]),
  node('matcher', 'worker', 'cargo', [instance('matcher-1', 41021, { address: null, memory: 29 * MIB })]),
  node('mailer', 'worker', 'command', [
    CALM ? instance('mailer-1', 41031, { address: null, memory: 18 * MIB }) : instance('mailer-1', 41031, {
      address: null, phase: 'crash-loop', pid: null, cpu_millis: 0, memory: 0, restarts: 7,
      reason: 'exited with code 1 after 0.4 s, 7 times in 3 min; next start in 40 s', started_at: Date.now() - 41_000,
    }),
  ], CALM ? {} : { health: { word: 'failing', reason: '0 of 1 ready, mailer-1: exited with code 1', since: Date.now() - 186_000 } }),
  node('reports', 'service', 'npm', CALM ? [instance('reports-1', 41041)] : [], CALM ? {} : {
    wanted: 1, activity: 'building', health: { word: 'held', reason: 'waiting for its build', since: Date.now() - 22_000 },
  }),
  node('main', 'database', 'postgres 16', [
    instance('main-1', 41051, { role: 'primary', memory: 96 * MIB, memory_limit: 1024 * MIB }),
    instance('main-2', 41052, { role: 'replica', memory: 71 * MIB, memory_limit: 1024 * MIB }),
  ]),
  node('sessions', 'cache', 'redis 7', [instance('sessions-1', 41061, { memory: 9 * MIB, memory_limit: 64 * MIB })]),
  node('ledger', 'external', 'ledger.internal:5432', [], {
    wanted: 0, health: CALM ? ok() : { word: 'not-measured', reason: 'a database elsewhere is not probed', since: started },
  }),
];
const edges = [
  { from: 'public', to: 'web', label: '/' },
  { from: 'public', to: 'api', label: '/api/' },
  { from: 'public', to: 'reports', label: '/reports/' },
  { from: 'web', to: 'api', label: 'API_URL' },
  { from: 'api', to: 'main', label: 'DATABASE_URL' },
  { from: 'api', to: 'main', label: 'DATABASE_REPLICA_URL' },
  { from: 'api', to: 'sessions', label: 'REDIS_URL' },
  { from: 'matcher', to: 'main', label: 'DATABASE_URL' },
  { from: 'matcher', to: 'ledger', label: 'LEDGER_URL' },
  { from: 'mailer', to: 'sessions', label: 'QUEUE_URL' },
  { from: 'reports', to: 'main', label: 'DATABASE_URL' },
];
const routes = [
  ['app/', '/', 'web', 38, 42, 0], ['app/api/', '/api/', 'api', 124, 11, 0.4],
  ['app/reports/', '/reports/', 'reports', 0, null, 0],
];
for (let i = 1; i <= EXTRA; i += 1) {
  const name = ['orders', 'billing', 'search', 'catalogue', 'stock'][i % 5] + `-${i}`;
  nodes.splice(6, 0, node(name, i % 4 === 0 ? 'worker' : 'service', 'cargo', [instance(`${name}-1`, 42000 + i), instance(`${name}-2`, 43000 + i)],
    i % 17 === 0 ? { health: { word: 'failing', reason: 'readiness probe answered 503', since: Date.now() - 50_000 } } : {}));
  if (i % 4 !== 0) edges.push({ from: 'public', to: name, label: `/${name}/` });
  edges.push({ from: name, to: i % 3 === 0 ? 'sessions' : 'main', label: 'DATABASE_URL' });
  if (i <= 12) routes.push([`app/${name}/`, `/${name}/`, name, 4 + i, 8 + i, 0]);
}
const jobs = [
  { name: 'import-statements', schedule: '*/15 * * * *', running: false, next_at: Date.now() + 412_000, last_at: Date.now() - 488_000, last_end: 'ok' },
  { name: 'nightly-report', schedule: '0 2 * * *', running: false, next_at: Date.now() + 9_400_000, last_at: Date.now() - 70_000_000, last_end: CALM ? 'ok' : 'exited with code 2 after 14 s' },
  { name: 'seed', schedule: null, running: false, next_at: null, last_at: started + 5000, last_end: 'ok' },
];
const notices = CALM ? [] : [
  '[alerts] and [backup] have no effect yet',
  'memory limits use rlimits: no writable cgroup was found',
];

const rate = (base, at, index) =>
  Math.max(0, base * (1 + 0.28 * wave(at, 900_000, index / 3) + 0.12 * wave(at, 47_000, index) + 0.08 * (random() - 0.5)));
const errors = (base, at) => (base === 0 ? 0 : Math.max(0, base * (wave(at, 1_300_000) > 0.86 ? 14 : 0.3) * (0.5 + random())));

function status() {
  const at = Date.now();
  for (const { instances } of nodes)
    for (const one of instances)
      if (one.phase === 'ready') one.cpu_millis = Math.round(60 + 50 * wave(at, 60_000, one.address?.length ?? 0) + 30 * random());
  const failing = nodes.filter((one) => one.health.word === 'failing');
  return {
    app: 'reconciliation', environment: 'local', state: 'running', at, started_at: started, generation: 3,
    health: failing.length === 0 ? ok() : { word: 'failing', reason: `${failing[0].name}: ${failing[0].health.reason}`, since: failing[0].health.since },
    urls: ['http://localhost:8080'], nodes, edges,
    routes: routes.map(([name, path, to, base, p95, wrong], index) => ({
      name, host: null, path, to, requests: Math.round(base * 4800), errors: Math.round(wrong * 900),
      per_second: rate(base, at, index), errors_per_second: errors(wrong, at), p50_ms: p95 && p95 / 3, p95_ms: p95 && p95 * (1 + 0.2 * random()),
      endpoints: (nodes.find((one) => one.name === to)?.instances ?? []).map((one, i) => ({ instance: one.id, in_flight: Math.round(random() * 3), failures: i, ejected: !CALM && one.id === 'api-2' && at % 40_000 < 9000 })),
    })),
    jobs, notices,
    platform: [
      { name: 'supervisor', pid: 21301, cpu_millis: 2, memory: 5 * MIB, restarts: 0 },
      { name: 'control', pid: 21305, cpu_millis: 6, memory: 17 * MIB, restarts: 0 },
      { name: 'gateway', pid: 21306, cpu_millis: Math.round(60 + 20 * wave(at, 30_000)), memory: 14 * MIB, restarts: 1 },
    ],
  };
}

function series(metric, window) {
  const now = Date.now();
  const step = 10_000;
  const subjects = metric === 'cpu_millis' || metric === 'memory_bytes'
    ? nodes.flatMap((one) => one.instances.map((each) => [each.id, each.memory, 0]))
    : routes.map(([name, , , base, p95, wrong]) => [name, metric === 'p95_ms' ? p95 : metric === 'errors_per_second' ? wrong : base, metric]);
  return subjects.map(([subject, base], index) => {
    const samples = [];
    for (let at = now - window * 1000; at <= now; at += step) {
      if (at > now - 1_500_000 && at < now - 1_430_000) continue;
      const value = metric === 'cpu_millis' ? 60 + 50 * wave(at, 60_000, index) + 20 * random()
        : metric === 'memory_bytes' ? base * (1 + 0.04 * wave(at, 240_000, index))
        : metric === 'errors_per_second' ? errors(base, at) : base === null ? null : rate(base, at, index);
      if (value !== null) samples.push({ at, value });
    }
    return { metric, subject, samples };
  });
}

// ---- what happened -----------------------------------------------------------------------------

let events = [];
const listeners = new Set();
function happen(ago, level, subject, kind, text, more = {}) {
  const event = { id: events.length + 1, at: Date.now() - ago * 1000, level, subject, instance: null, kind, text, detail: [], ...more };
  events.push(event);
  for (const send of listeners) send('event', event, event.id);
}
happen(4980, 'info', 'mainstay', 'app', 'coming up in environment `local`');
happen(4979, 'info', 'main', 'database', 'primary and replica are ready');
happen(4978, 'info', 'main', 'migration', 'applied `003_matches`');
happen(4977, 'info', 'api', 'build', 'built in 1.4 s');
happen(4976, 'info', 'api', 'instance', 'ready', { instance: 'api-1' });
happen(4976, 'info', 'api', 'instance', 'ready', { instance: 'api-2' });
happen(4975, 'info', 'mainstay', 'app', 'up: http://localhost:8080');
happen(3100, 'warning', 'mainstay', 'platform', 'gateway ended (signal 9) and was started again within 120 ms; no connection was refused');
happen(1900, 'info', 'mainstay', 'manifest', 'read again: `api` has 2 instances');
happen(1204, 'error', 'nightly-report', 'job', 'exited with code 2 after 14 s', { detail: ['connecting to ledger.internal:5432', 'error: relation "balances" does not exist', 'caused by: ERROR 42P01'] });
if (!CALM) {
  happen(186, 'error', 'mailer', 'instance', 'exited with code 1 after 0.4 s', { instance: 'mailer-1', detail: ['mailer 0.3.1 starting', 'thread \'main\' panicked at src/main.rs:41:10:', 'SMTP_URL is not set: NotPresent', 'note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace'] });
  happen(60, 'warning', 'mailer', 'instance', 'crash loop: 7 starts in 3 min, next in 40 s', { instance: 'mailer-1' });
  happen(22, 'info', 'reports', 'build', 'building: package.json changed');
}

const lines = [];
const tails = new Set();
const paths = ['/api/health', '/api/reconciliations', '/api/reconciliations/17/matches', '/api/uploads'];
function line(at = Date.now()) {
  const pick = random();
  const one = { at: at * 1000 + Math.floor(random() * 999), instance: `api-${1 + Math.floor(random() * 2)}`, service: 'api', stream: 'stdout', text: '' };
  const path = paths[Math.floor(random() * paths.length)];
  if (pick < 0.5) one.text = JSON.stringify({ timestamp: new Date(at).toISOString(), level: pick < 0.03 ? 'ERROR' : pick < 0.07 ? 'WARN' : 'INFO', fields: { message: pick < 0.03 ? 'query failed' : 'request', method: 'GET', path, status: pick < 0.03 ? 500 : 200, ms: Math.round(random() * 40), trace_id: Math.floor(random() * 1e15).toString(16) }, target: 'api::http' });
  else if (pick < 0.75) Object.assign(one, { instance: 'web-1', service: 'web', text: ` \u001b[32mGET\u001b[0m ${path.replace('/api', '')} \u001b[33m200\u001b[0m in ${Math.round(random() * 80)}ms \u001b[2m(compile: 3ms, render: ${Math.round(random() * 40)}ms)\u001b[0m` });
  else if (pick < 0.9) Object.assign(one, { instance: 'matcher-1', service: 'matcher', text: `matched ${Math.round(random() * 900)} of 1000 entries (batch ${Math.floor(at / 1000) % 997})` });
  else if (pick < 0.97 || CALM) Object.assign(one, { instance: 'main-1', service: 'main', stream: 'stderr', text: `LOG:  checkpoint complete: wrote ${Math.round(random() * 90)} buffers (0.${Math.round(random() * 9)}%); 0 WAL file(s) added, 0 removed, 1 recycled; write=2.104 s, sync=0.010 s, total=2.121 s; sync files=22, longest=0.006 s, average=0.001 s; distance=181 kB` });
  else Object.assign(one, { instance: 'mailer-1', service: 'mailer', stream: 'stderr', text: '\u001b[1m\u001b[31merror\u001b[0m: SMTP_URL is not set: <img src=x onerror=alert(1)>' });
  lines.push(one);
  if (lines.length > 20_000) lines.splice(0, 5000);
  for (const tail of tails) tail(one);
}
for (let i = 1500; i > 0; i -= 1) line(Date.now() - i * 400);
setInterval(() => line(), CALM ? 5000 : 160).unref();
if (!CALM) setInterval(() => happen(0, 'warning', 'mailer', 'instance', 'started again and exited with code 1', { instance: 'mailer-1' }), 40_000).unref();

// ---- the server --------------------------------------------------------------------------------

const streams = new Set();
let lockedNow = false;
let downUntil = 0;
const sessions = new Set(['the-mock-cookie']);
const json = (response, code, body) => {
  response.writeHead(code, { 'content-type': code < 400 ? 'application/json' : 'application/problem+json' });
  response.end(JSON.stringify(body));
};
const sse = (request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(': hello\n\n');
  streams.add(response);
  response.on('close', () => streams.delete(response));
  return (event, data, id) => response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
};
const matching = (params) => (one) =>
  (!params.get('service') || one.service === params.get('service')) && (!params.get('grep') || one.text.includes(params.get('grep')));

async function api(request, response, url) {
  const cookie = /mainstay=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  const { pathname, searchParams: params } = url;
  if (request.method === 'POST' && request.headers['x-mainstay'] !== '1') return json(response, 403, { title: 'Forbidden', detail: 'the header `x-mainstay` is missing' });
  if (pathname === '/api/session') {
    const body = JSON.parse(await new Promise((done) => { let text = ''; request.on('data', (part) => (text += part)); request.on('end', () => done(text)); }));
    if (body.token !== 'mock' || lockedNow) return json(response, 401, { title: 'Unauthorized', detail: 'the token is not known' });
    response.setHeader('set-cookie', 'mainstay=the-mock-cookie; HttpOnly; SameSite=Strict; Path=/');
    return json(response, 200, { ok: true });
  }
  if (lockedNow || !sessions.has(cookie)) return json(response, 401, { title: 'Unauthorized', detail: 'no session' });
  if (pathname === '/api/status') return json(response, 200, status());
  if (pathname === '/api/events') return json(response, 200, { events: events.filter((one) => one.id > Number(params.get('after') ?? 0)).slice(-Number(params.get('limit') ?? 200)) });
  if (pathname === '/api/samples') return json(response, 200, { series: series(params.get('metric'), Number(params.get('window') ?? 900)) });
  if (pathname === '/api/logs') return json(response, 200, { lines: lines.filter(matching(params)).filter((one) => one.at / 1000 >= Number(params.get('since') ?? 0)).slice(-Number(params.get('limit') ?? 1000)) });
  if (pathname === '/api/logs/stream') {
    const send = sse(request, response);
    const tail = (one) => matching(params)(one) && send('line', one);
    tails.add(tail);
    return response.on('close', () => tails.delete(tail));
  }
  if (pathname === '/api/stream') {
    const send = sse(request, response);
    const last = Number(request.headers['last-event-id'] ?? 0);
    for (const one of events) if (one.id > last) send('event', one, one.id);
    send('status', status());
    listeners.add(send);
    const timer = setInterval(() => send('status', status()), 1000);
    return response.on('close', () => { clearInterval(timer); listeners.delete(send); });
  }
  const [, verb, name] = /^\/api\/(restart|run)\/(.+)$/.exec(pathname) ?? [];
  if (verb === 'restart' && nodes.some((one) => one.name === name)) {
    happen(0, 'info', name, 'instance', 'restarting: asked for in the console');
    return json(response, 200, { ok: true });
  }
  const job = jobs.find((one) => one.name === name);
  if (verb === 'run' && job) {
    if (job.name === 'nightly-report') return json(response, 409, { title: 'Not run', detail: '`nightly-report` waits for `ledger`' });
    Object.assign(job, { running: true });
    setTimeout(() => Object.assign(job, { running: false, last_at: Date.now(), last_end: 'ok' }), 3000);
    return json(response, 200, { ok: true });
  }
  return json(response, 404, { title: 'Not found', detail: `nothing is at ${pathname}` });
}

const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/mock/drop') {
    downUntil = Date.now() + Number(url.searchParams.get('for') ?? 5000);
    for (const stream of streams) stream.destroy();
    return json(response, 200, { ok: true });
  }
  if (url.pathname === '/mock/lock' || url.pathname === '/mock/unlock') {
    lockedNow = url.pathname === '/mock/lock';
    for (const stream of streams) stream.destroy();
    return json(response, 200, { ok: true });
  }
  if (Date.now() < downUntil) return request.socket.destroy();
  if (url.pathname.startsWith('/api/')) return api(request, response, url);
  const file = ['/', '/logs', '/events'].includes(url.pathname) ? 'index.html' : url.pathname.slice(1);
  const body = file.includes('..') ? null : await readFile(DIST + file).catch(() => null);
  response.writeHead(body ? 200 : 404, {
    'content-type': TYPES[file.split('.').pop()] ?? 'text/plain',
    'content-security-policy': "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  });
  response.end(body ?? 'not found');
});
server.listen(PORT, '127.0.0.1', () => console.log(`mock: http://127.0.0.1:${server.address().port}/#token=mock`));
