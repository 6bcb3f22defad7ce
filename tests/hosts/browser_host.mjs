/** The browser host, a page in headless Chromium: `node browser_host.mjs FOLDER`, where FOLDER holds the built package. */
import { relative, resolve } from "node:path";
import { createInterface } from "node:readline";
import { openPage, serve } from "../browser/serve.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const server = await serve(ROOT);
const { page, printed, close } = await openPage(server.origin, "/tests/hosts/page.html");
try {
  const folder = relative(ROOT, resolve(process.argv[2]));
  await page.evaluate((folder) => window.start(folder), folder);
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await page.evaluate((line) => window.host.answer(line), line);
    process.stdout.write(`${answer}\n`);
  }
} finally {
  for (const line of printed) process.stderr.write(`${line}\n`);
  await close();
  server.close();
}
