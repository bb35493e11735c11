// The application in a real browser: log in, upload the 10,000 lines, watch, compare the counts
// with the known answer, resolve a line by hand.
//
//   node run.mjs --url http://reconciliation.localhost:8000 --data DIR [--screenshots DIR]
//
// DIR holds what `reconciliation-api generate --out DIR` writes. Chromium is $CHROMIUM, or the
// first one on PATH. Ends with a line `N passed, N failed`, and with 1 if anything failed.

import assert from "node:assert/strict";
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

const PATIENCE = 30_000;
const NOTE = "Cash for the fair, receipt in the folder";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A step has failed and said so. */
class Failed extends Error {}

const { values: options } = parseArgs({
  options: {
    url: { type: "string", default: "http://reconciliation.localhost:8000" },
    data: { type: "string" },
    screenshots: { type: "string" },
  },
});
if (!options.data) {
  console.error("usage: node run.mjs --url URL --data DIR [--screenshots DIR]");
  process.exit(2);
}

const expected = JSON.parse(readFileSync(join(options.data, "expected.json"), "utf8"));
const files = ["bank.csv", "ledger.csv"].map((name) => join(options.data, name));
const profile = mkdtempSync(join(tmpdir(), "reconciliation-e2e-"));
if (options.screenshots) mkdirSync(options.screenshots, { recursive: true });

let passed = 0;
let failed = 0;
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: findChromium(),
  // Ours are all there is, so that what runs here is what a reader can type.
  args: FLAGS,
  viewport: { width: 1280, height: 900 },
  colorScheme: "light",
});
browser.setDefaultTimeout(PATIENCE);
const page = await browser.newPage();
const complaints = [];
page.on("pageerror", (error) => complaints.push(error.message));

try {
  await step("a wrong password is refused", async () => {
    await page.goto(options.url);
    await page.getByRole("heading", { name: "Log in" }).waitFor();
    await shot("login");
    await logIn("wrong");
    await page.getByText("email or password is wrong").waitFor();
  });

  await step("the demo user logs in", async () => {
    await logIn("reconcile");
    await page.getByRole("heading", { name: "New reconciliation" }).waitFor();
  });

  await step("a file with a mistake is refused with its line", async () => {
    const broken = "date,amount,reference,description\n2026-01-02,1.00,R,d\n2026-01-03,1 EUR,R,d\n";
    const buffer = Buffer.from(broken);
    await page.locator("input[name=bank]").setInputFiles({ name: "broken.csv", mimeType: "text/csv", buffer });
    await page.locator("input[name=ledger]").setInputFiles(files[1]);
    await page.getByRole("button", { name: "Upload and match" }).click();
    await page.getByText("bank, line 3").waitFor();
  });

  await step("two files are uploaded and progress moves", async () => {
    await watchProgressBar();
    await page.locator("input[name=bank]").setInputFiles(files[0]);
    await page.locator("input[name=ledger]").setInputFiles(files[1]);
    await shot("upload");
    await page.getByRole("button", { name: "Upload and match" }).click();
    await page.locator("[data-phase=fuzzy], [data-phase=storing], [data-phase=done]").waitFor();
    await shot("progress");
    await page.waitForURL(/\/runs\/\d+$/);
    await page.locator("[data-count=exact]").waitFor();
    const seen = await page.evaluate(() => window.progressSeen);
    const percents = [...new Set(seen.map(({ percent }) => percent))];
    const phases = new Set(seen.map(({ phase }) => phase));
    assert.ok(percents.length >= 3, `the bar showed ${percents.join(", ")} % only`);
    assert.ok(phases.size >= 3, `the phases shown were ${[...phases].join(", ")} only`);
    const sorted = [...percents].sort((a, b) => a - b);
    assert.deepEqual(percents, sorted, "the bar went backwards");
    console.log(`     ${percents.length} positions of the bar, phases ${[...phases].join(", ")}`);
  });

  for (const name of ["exact", "amount_date", "fuzzy", "unmatched_bank", "unmatched_ledger"]) {
    await step(`${name} is ${expected[name]}`, async () => {
      assert.equal(await countOf(name), expected[name]);
    });
  }
  await shot("result");
  await shot("result-dark", { colorScheme: "dark" });
  await shot("result-phone", { width: 390 });

  await step("the matched lines are shown page by page", async () => {
    await page.getByRole("tab", { name: "Matched" }).click();
    const pairs = page.locator(".pairs li");
    await pairs.first().waitFor();
    const first = await pairs.first().innerText();
    const pages = Math.ceil((expected.exact + expected.amount_date + expected.fuzzy) / 50);
    await page.getByText(`Page 1 of ${pages}`).waitFor();
    await shot("matched");
    await shot("matched-phone", { width: 390 });
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText(`Page 2 of ${pages}`).waitFor();
    assert.notEqual(await pairs.first().innerText(), first);
  });

  await step("a bank line is matched by hand with the closest ledger entry", async () => {
    await page.getByRole("tab", { name: "To resolve" }).click();
    await page.locator("[data-side=bank] label").first().click();
    await page.getByText("Ledger entries, closest first").waitFor();
    await page.locator("[data-side=ledger] label").first().click();
    await page.locator("input[name=note]").fill(NOTE);
    await shot("resolve");
    await shot("resolve-phone", { width: 390 });
    await page.getByRole("button", { name: "Match these two" }).click();
    await page.locator("[data-count=resolved]", { hasText: /^1$/ }).waitFor();
    assert.equal(await countOf("unmatched_bank"), expected.unmatched_bank - 1);
    assert.equal(await countOf("unmatched_ledger"), expected.unmatched_ledger - 1);
  });

  await step("what was resolved is listed with its note, also after a reload", async () => {
    await page.getByRole("tab", { name: "By hand" }).click();
    await page.locator(".pairs li", { hasText: NOTE }).waitFor();
    await page.reload();
    await page.getByRole("tab", { name: "By hand" }).click();
    await page.locator(".pairs li", { hasText: NOTE }).waitFor();
    assert.equal(await countOf("resolved"), 1);
  });

  await step("the list of runs shows the run", async () => {
    await page.getByRole("link", { name: "Reconciliation", exact: true }).click();
    const matched = expected.bank_lines - expected.unmatched_bank + 1;
    const words = `${matched.toLocaleString("en")} of ${expected.bank_lines.toLocaleString("en")}`;
    await page.locator(".runs li").first().getByText(words).waitFor();
    await shot("runs");
    await shot("runs-phone", { width: 390 });
  });

  await step("logging out ends the session", async () => {
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("heading", { name: "Log in" }).waitFor();
    await page.goto(options.url);
    await page.getByRole("heading", { name: "Log in" }).waitFor();
  });

  await step("no script failed", async () => assert.deepEqual(complaints, []));
} catch (error) {
  if (!(error instanceof Failed)) throw error;
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed`);
}
process.exitCode = failed === 0 ? 0 : 1;

/** Runs one fact. The first that fails ends the test: each one stands on those before it. */
async function step(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${error.message.replaceAll("\n", "\n     ")}`);
    await shot("failed");
    throw new Failed();
  }
}

async function logIn(password) {
  await page.getByLabel("Email").fill("demo@example.com");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Notes every position of the progress bar, however short it is on the screen. */
async function watchProgressBar() {
  await page.evaluate(() => {
    window.progressSeen = [];
    new MutationObserver(() => {
      const bar = document.querySelector("[role=progressbar]");
      if (!bar) return;
      const { phase } = bar.dataset;
      window.progressSeen.push({ phase, percent: Number(bar.getAttribute("aria-valuenow")) });
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
}

async function countOf(name) {
  return Number((await page.locator(`[data-count=${name}]`).innerText()).replaceAll(",", ""));
}

async function shot(name, { width = 1280, colorScheme = "light" } = {}) {
  if (!options.screenshots) return;
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme });
  await page.screenshot({ path: join(options.screenshots, `${name}.png`) });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    for (const directory of (process.env.PATH ?? "").split(delimiter)) {
      try {
        accessSync(join(directory, name), constants.X_OK);
        return join(directory, name);
      } catch {
        // Not here; the next directory may have it.
      }
    }
  }
  console.error("no Chromium on PATH; set CHROMIUM to one");
  process.exit(1);
}
