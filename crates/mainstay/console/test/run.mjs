// Drives the built page in a real browser against the mock, and keeps a picture of each state.
//
//   npm run build && npm test
//   CHROMIUM=/usr/bin/chromium   the browser, when it is not `chromium` on PATH
//   SHOTS=<dir>                  where pictures go; a temporary directory unless given
//   PORT=24020                   the mock's port, the two after it for variants; free ones unless given

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PORT = Number(process.env.PORT ?? 0);
const SHOTS = process.env.SHOTS ?? mkdtempSync(join(tmpdir(), 'console-'));
const MOCK = fileURLToPath(new URL('../mock/server.mjs', import.meta.url));
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const DESKTOP = { width: 1360, height: 900 };
const PHONE = { width: 360, height: 740 };

const mocks = [];
// A test that breaks off leaves no mock behind.
process.on('exit', () => mocks.forEach((mock) => mock.kill()));
mkdirSync(SHOTS, { recursive: true });

function browserPath() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome'])
    try {
      return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    } catch {
      // The next name may be there.
    }
  console.error('no Chromium was found: install `chromium`, or set CHROMIUM to its path');
  process.exit(2);
}

function startMock(port, env = {}) {
  const child = spawn(process.execPath, [MOCK], { env: { ...process.env, PORT: port, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  mocks.push(child);
  return new Promise((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(/http:\/\/[\d.:]+/.exec(String(text))[0]));
    child.once('exit', (code) => reject(new Error(`the mock ended with ${code}`)));
  });
}

const nth = (n) => (PORT === 0 ? 0 : PORT + n);
const [BASE, MANY, CALM] = await Promise.all([startMock(nth(0)), startMock(nth(1), { SERVICES: '50' }), startMock(nth(2), { CALM: '1' })]);
const browser = await chromium.launch({ executablePath: browserPath(), args: FLAGS });

let passed = 0;
let failed = 0;
const complaints = [];

/** A page of its own, with a session unless told otherwise; errors of the page fail its test. */
async function open(path, { viewport = DESKTOP, colorScheme = 'light', base = BASE, session = true, reducedMotion = 'reduce' } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion });
  if (session) await context.addCookies([{ name: 'mainstay', value: 'the-mock-cookie', url: base }]);
  const page = await context.newPage();
  page.setDefaultTimeout(6000);
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    const text = message.text();
    if (/Content.Security.Policy/i.test(text) || (message.type() === 'error' && !/Failed to load resource|net::ERR/.test(text))) complaints.push(text);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(base)) complaints.push(`asked another origin: ${request.url()}`);
  });
  await page.goto(base + path);
  return page;
}

async function test(name, body) {
  complaints.length = 0;
  try {
    await body();
    check(complaints.length === 0, complaints.join('; '));
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n      ${String(error.message ?? error).split('\n').slice(0, 6).join('\n      ')}`);
  } finally {
    for (const context of browser.contexts()) await context.close();
  }
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}

const shot = (page, name, options = {}) => page.screenshot({ path: join(SHOTS, `${name}.png`), ...options });
const overview = (page) => page.locator('.node').first().waitFor();
const charts = (page) => page.waitForFunction(() => document.querySelectorAll('figure .stroke').length >= 3);
const noSideways = async (page) => {
  const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  check(wide <= inner, `the page is ${wide} wide in ${inner}`);
};
const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim() || document.activeElement?.tagName);

const apart = (page) =>
  page.locator('.node').evaluateAll((nodes) => {
    const boxes = nodes.map((node) => node.getBoundingClientRect());
    return boxes.every((a, i) => boxes.every((b, j) => i === j || a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top));
  });

/** Contrast of every visible text with the ground behind it, as WCAG computes it. */
const contrast = (page) =>
  page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (text) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
      const part = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const ground = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const colour = rgba(getComputedStyle(one).backgroundColor);
        if (colour[3] === 255) return colour;
      }
      return [255, 255, 255, 255];
    };
    const poor = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.textContent.trim() || !element?.checkVisibility({ opacityProperty: true })) continue;
      const style = getComputedStyle(element);
      const inSvg = element instanceof SVGElement;
      const text = rgba(inSvg ? style.fill : style.color);
      const [a, b] = [light(text), light(ground(element))].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < 4.5) poor.add(`${element.tagName}.${element.getAttribute('class')} “${walker.currentNode.textContent.trim().slice(0, 20)}” ${ratio.toFixed(2)}`);
    }
    return [...poor];
  });

await test('the token of the address becomes a cookie and leaves the address bar', async () => {
  const page = await open('/#token=mock', { session: false });
  await overview(page);
  check(page.url() === `${BASE}/`, page.url());
  const cookies = await page.context().cookies();
  check(cookies.some((cookie) => cookie.name === 'mainstay' && cookie.httpOnly), 'no cookie that only the server reads');
});

await test('without a session the page says where the address is printed', async () => {
  const page = await open('/', { session: false });
  await page.getByText('mainstay status').first().waitFor();
  await shot(page, 'locked');
  await page.setViewportSize(PHONE);
  await noSideways(page);
});

await test('a token that is not known is called that', async () => {
  const page = await open('/#token=old', { session: false });
  await page.getByText('no longer opens').waitFor();
});

for (const colorScheme of ['light', 'dark'])
  await test(`the overview shows every node, chart and job (${colorScheme})`, async () => {
    const page = await open('/', { colorScheme });
    await overview(page);
    await charts(page);
    await page.locator('.node').nth(8).waitFor();
    check((await page.locator('.node').count()) === 9, 'not every node is drawn');
    await page.getByRole('button', { name: /mailer, worker.*failing for \d+ min: 0 of 1 ready, mailer-1: exited with code 1/ }).waitFor();
    await page.locator('.label').nth(6).waitFor({ state: 'attached' });
    await shot(page, `overview-${colorScheme}`, { fullPage: true });
    const poor = await contrast(page);
    check(poor.length === 0, `contrast below 4.5: ${poor.join(', ')}`);
  });

await test('a calm application in a wide window', async () => {
  const page = await open('/', { base: CALM, viewport: { width: 1600, height: 1000 } });
  await overview(page);
  await charts(page);
  await shot(page, 'overview-calm');
});

await test('a node opens its panel, with reason, and Escape gives the focus back', async () => {
  const page = await open('/');
  await overview(page);
  await page.locator('#node-mailer').click();
  await page.getByRole('complementary').getByText('crash-loop').waitFor();
  await page.getByRole('complementary').getByText(/exited with code 1 after 0.4 s/).waitFor();
  await page.keyboard.press('Escape');
  check((await focused(page)) === 'node-mailer', `focus is on ${await focused(page)}`);
  await page.locator('#node-api').click();
  await page.getByRole('complementary').getByText('api-2').waitFor();
  await page.waitForFunction(() => document.querySelector('aside .stroke')?.getAttribute('d')?.length > 100);
  await shot(page, 'panel');
});

await test('a restart asks first and says that it was asked for', async () => {
  const page = await open('/');
  await page.locator('#node-api').click();
  await page.getByRole('button', { name: 'Restart' }).click();
  await page.getByText('Restart 2 instances?').waitFor();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('Restart asked for').waitFor();
  await page.getByText('restarting: asked for in the console').first().waitFor();
});

await test('a job runs, and a refusal is shown with its reason', async () => {
  const page = await open('/');
  const job = (name) => page.locator('.job', { hasText: name });
  await job('import-statements').getByRole('button').click();
  await job('import-statements').getByText('running').waitFor();
  await job('nightly-report').getByRole('button').click();
  await job('nightly-report').getByText('Not run: `nightly-report` waits').waitFor();
});

await test('arrow keys move through the topology and the navigation', async () => {
  const page = await open('/');
  await overview(page);
  await page.locator('#node-public').focus();
  await page.keyboard.press('ArrowRight');
  const second = await focused(page);
  check(second !== 'node-public' && second.startsWith('node-'), `focus is on ${second}`);
  await page.keyboard.press('Enter');
  await page.getByRole('complementary').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Overview' }).focus();
  await page.keyboard.press('ArrowRight');
  check((await focused(page)) === 'Logs', 'the navigation did not move');
});

await test('the first Tab reaches the skip link, and it works', async () => {
  const page = await open('/');
  await overview(page);
  await page.keyboard.press('Tab');
  check((await focused(page)) === 'Skip to the content', await focused(page));
  await page.keyboard.press('Enter');
  check((await focused(page)) === 'main', await focused(page));
});

await test('`?` shows the keys, `/` reaches the filter, letters change the page', async () => {
  const page = await open('/');
  await overview(page);
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await shot(page, 'keys');
  await page.keyboard.press('Escape');
  await page.keyboard.press('e');
  await page.getByRole('heading', { name: 'Events', exact: true }).waitFor();
  await page.keyboard.press('/');
  await page.waitForFunction(() => document.activeElement?.id === 'search');
  await page.keyboard.type('mailer');
  await page.keyboard.press('Escape');
  await page.keyboard.press('o');
  await overview(page);
});

await test('a chart reads out its values by keys and by pointer', async () => {
  const page = await open('/');
  await charts(page);
  const chart = page.getByRole('slider').first();
  await chart.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  const text = await chart.getAttribute('aria-valuetext');
  check(/\/s at \d\d:\d\d:\d\d/.test(text), text);
  await chart.hover({ position: { x: 200, y: 60 } });
  await page.locator('figure .cross').waitFor({ state: 'attached' });
  await page.getByRole('button', { name: '1 h', exact: true }).click();
  await page.getByRole('button', { name: '/api/' }).click();
  await page.getByText('app/api/').first().waitFor();
  // The mock did not measure for a while: the line has a gap, not a zero.
  await page.locator('figure').first().locator('.stroke').nth(1).waitFor({ state: 'attached' });
  await shot(page, 'charts-hour');
});

for (const colorScheme of ['light', 'dark'])
  await test(`logs come with a backlog and a live tail (${colorScheme})`, async () => {
    const page = await open('/logs', { colorScheme });
    await page.locator('.row').first().waitFor();
    const count = () => page.locator('.foot').innerText().then((text) => Number(/([\d,]+) lines/.exec(text)[1].replace(',', '')));
    await page.waitForFunction(() => /live/.test(document.querySelector('.foot')?.textContent ?? ''));
    const before = await count();
    check(before >= 1000, `${before} lines`);
    await page.waitForFunction((n) => Number(/([\d,]+) lines/.exec(document.querySelector('.foot').textContent)[1].replace(',', '')) > n + 3, before);
    check((await page.locator('.row').count()) < 120, 'lines out of view are drawn');
    const atEnd = await page.locator('.view').evaluate((view) => view.scrollHeight - view.scrollTop - view.clientHeight);
    check(atEnd < 30, `the newest line is ${atEnd} px below`);
    await shot(page, `logs-${colorScheme}`);
    const poor = await contrast(page);
    check(poor.length === 0, `contrast below 4.5: ${poor.join(', ')}`);
  });

await test('logs are filtered by service and text, and the address keeps the filter', async () => {
  const page = await open('/logs?service=web');
  await page.locator('.row').first().waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll('.row .from')].every((one) => one.textContent === 'web-1'));
  await page.locator('.row .fg-2').first().waitFor({ state: 'attached' });
  check(!(await page.locator('.view').innerText()).includes('\u001b'), 'an escape character is shown');
  await page.getByLabel('Filter by text').fill('uploads');
  await page.waitForFunction(() => location.search.includes('grep=uploads'));
  await page.waitForFunction(() => [...document.querySelectorAll('.row .said')].every((one) => one.textContent.includes('uploads')));
});

await test('a pause holds new lines back and counts them', async () => {
  const page = await open('/logs');
  await page.locator('.row').first().waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: /\d+ new/ }).click();
  await page.getByRole('button', { name: 'Pause' }).waitFor();
});

await test('a JSON line opens by keyboard, and markup in a line stays text', async () => {
  const page = await open('/logs?service=api');
  await page.locator('.row').first().waitFor();
  await page.locator('.view').focus();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.locator('pre', { hasText: '"fields": {' }).waitFor();
  await shot(page, 'logs-open');
  await page.getByLabel('Service').selectOption('mailer');
  await page.locator('.row', { hasText: '<img src=x' }).first().waitFor();
  check((await page.locator('.view img').count()) === 0, 'markup became an element');
});

await test('events are filtered by level and text, and show their detail', async () => {
  const page = await open('/events');
  await page.getByText('coming up in environment').waitFor();
  await shot(page, 'events');
  await page.getByRole('button', { name: 'Errors', exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll('main li').length === 2);
  await page.locator('summary').first().click();
  await page.getByText('SMTP_URL is not set').waitFor();
  await page.getByLabel('Search events').fill('balances');
  await page.waitForFunction(() => document.querySelectorAll('main li').length === 1);
  const poor = await contrast(page);
  check(poor.length === 0, `contrast below 4.5: ${poor.join(', ')}`);
});

for (const [name, path] of [['overview', '/'], ['logs', '/logs'], ['events', '/events']])
  await test(`${name} fits a phone without sideways scrolling`, async () => {
    const page = await open(path, { viewport: PHONE, colorScheme: name === 'logs' ? 'dark' : 'light' });
    if (name === 'overview') await charts(page);
    else await page.locator('.row').first().waitFor();
    await noSideways(page);
    await shot(page, `phone-${name}`, { fullPage: name === 'overview' });
    if (name !== 'overview') return;
    await page.locator('#node-mailer').click();
    await page.getByRole('complementary').waitFor();
    await noSideways(page);
    await shot(page, 'phone-panel');
  });

for (const width of [1500, 1000, 820, 700, 360])
  await test(`every arrow ends at a box, and no box covers another, at ${width} px`, async () => {
    const page = await open('/', { viewport: { width, height: 900 } });
    await overview(page);
    const astray = await page.evaluate(() => {
      const origin = document.querySelector('svg.layers, svg.grid, svg.stack').getBoundingClientRect();
      const boxes = [...document.querySelectorAll('.node')].map((node) => node.getBoundingClientRect());
      const tips = [...document.querySelectorAll('.line .tip')].map((tip) => /M([\d.-]+),([\d.-]+)/.exec(tip.getAttribute('d')).slice(1).map(Number));
      return tips.filter(([x, y]) => !boxes.some((box) =>
        Math.min(Math.abs(box.left - origin.left - x), Math.abs(box.right - origin.left - x)) < 3 && box.top <= y + origin.top && y + origin.top <= box.bottom)).length;
    });
    check(astray === 0, `${astray} arrows end in nothing`);
    check(await apart(page), 'nodes cover each other');
    await noSideways(page);
    await shot(page, `width-${width}`);
  });

await test('sixty nodes stay readable and reachable', async () => {
  const page = await open('/', { base: MANY });
  await charts(page);
  await page.locator('.node').nth(58).waitFor();
  check((await page.locator('.node').count()) === 59, `${await page.locator('.node').count()} nodes`);
  check(await apart(page), 'nodes cover each other');
  await page.locator('#node-main').hover();
  await shot(page, 'many');
  await page.setViewportSize(PHONE);
  await noSideways(page);
});

await test('the theme can be chosen and is kept', async () => {
  const page = await open('/');
  await overview(page);
  await page.keyboard.press('t');
  await page.keyboard.press('t');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check((await ground()) === 'rgb(16, 19, 22)', await ground());
  await page.reload();
  await overview(page);
  check((await ground()) === 'rgb(16, 19, 22)', `after a reload: ${await ground()}`);
});

await test('a lost connection reads stale with its age, and recovers', async () => {
  const page = await open('/');
  await charts(page);
  await fetch(`${BASE}/mock/drop?for=6000`, { method: 'POST' });
  await page.getByText(/connection lost, showing data from [1-9]\d* s ago/).waitFor();
  await page.getByText(/stale for \d+ s: connection lost/).waitFor();
  await shot(page, 'stale');
  await page.getByText('connection lost').first().waitFor({ state: 'detached', timeout: 15_000 });
});

await test('a session that ends while the page is open locks it', async () => {
  const page = await open('/');
  await overview(page);
  await fetch(`${BASE}/mock/lock`, { method: 'POST' });
  await page.getByText('mainstay status').first().waitFor();
  await fetch(`${BASE}/mock/unlock`, { method: 'POST' });
});

await test('nothing moves while data comes in', async () => {
  const page = await open('/');
  await charts(page);
  const shift = await page.evaluate(
    () =>
      new Promise((resolve) => {
        let sum = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) sum += entry.value;
        }).observe({ type: 'layout-shift', buffered: false });
        setTimeout(() => resolve(sum), 3500);
      }),
  );
  check(shift < 0.01, `layout shift of ${shift}`);
});

await browser.close();
console.log(`pictures: ${SHOTS}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
