/** A built page in headless Chromium: a server on loopback, a browser, and everything that either saw. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { launchChromium } from "../../examples/demo/chromium.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** Serves a folder on loopback. */
export async function serve(root) {
  const server = createServer((request, response) => {
    const file = normalize(join(root, new URL(request.url, "http://localhost").pathname));
    if (!file.startsWith(root) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Opens a page in Chromium; gives the page, all that it printed, and every request that it made. */
export async function openPage(origin, path) {
  const browser = await launchChromium();
  const page = await browser.newPage();
  const printed = [];
  const requests = [];
  page.on("console", (message) => printed.push(message.text()));
  page.on("pageerror", (error) => printed.push(String(error)));
  page.on("request", (request) => requests.push({ url: request.url(), body: request.postData() }));
  await page.goto(`${origin}${path}`);
  await page.waitForFunction(() => window.loaded === true);
  return { page, printed, requests, close: () => browser.close() };
}
