// Runs Next.js the way a platform asks for it: PORT and HOST from the environment, no telemetry,
// and after a build a directory that serves itself.
import { cpSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const next = createRequire(import.meta.url).resolve("next/dist/bin/next");
const command = process.argv[2];
const host = process.env.HOST || "127.0.0.1";
process.chdir(root);
process.env.NEXT_TELEMETRY_DISABLED = "1";

if (command === "build") {
  const { status } = spawnSync(process.execPath, [next, "build"], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  cpSync(".next/static", ".next/standalone/.next/static", { recursive: true });
  if (existsSync("public")) cpSync("public", ".next/standalone/public", { recursive: true });
} else if (command === "start") {
  const server = join(root, ".next/standalone/server.js");
  if (!existsSync(server)) {
    console.error("There is nothing to start yet: run `npm run build` first.");
    process.exit(1);
  }
  // In this process, so that it is the one that receives SIGTERM.
  process.env.HOSTNAME = host;
  await import(pathToFileURL(server).href);
} else if (command === "dev") {
  process.argv = [process.execPath, next, "dev", "--hostname", host];
  await import(pathToFileURL(next).href);
} else {
  console.error("usage: next.mjs build|start|dev");
  process.exit(2);
}
