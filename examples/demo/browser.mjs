/** A page in headless Chromium decrypts, with the wasm build, what the bot encrypted. */
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve } from "node:path";
import { launchChromium } from "./chromium.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const PAGE = "/examples/demo/page/index.html";
/** All that is served. The page names the library relative to itself, so both keep their places. */
const SERVED = /^\/(examples\/demo\/page|wasm\/lib)\/(?:[\w-]+\/)*[\w-]+\.(?:html|js|wasm)$/;

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".wasm": "application/wasm" };
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; base-uri 'none'; form-action 'none'";

/**
 * Opens the page, fills in its form as a person would, and gives what the page shows and knows.
 *
 * @param {import("./demo.mjs").World & { token: string }} world
 * @param {{ executablePath?: string, root?: string }} [how]
 */
export async function decryptInBrowser({ key, token, forPage }, how = {}) {
  const server = await serve(how.root ?? ROOT);
  try {
    const browser = await launchChromium(how.executablePath);
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(20_000);
      /** @type {string[]} */
      const requests = [];
      const troubled = new Promise((_, reject) => {
        const trouble = (/** @type {string} */ said) => reject(new Error(`the page said: ${said}`));
        page.on("pageerror", (error) => trouble(error.message));
        page.on("console", (message) => {
          if (message.type() === "error") trouble(message.text());
        });
      });
      page.on("request", (request) => {
        requests.push(`${request.method()} ${request.url()} ${request.postData() ?? ""}`);
      });
      const shown = page.locator("output");
      const used = async () => {
        await page.goto(server.origin + PAGE);
        await page.getByLabel("Key").fill(key.toString("base64"));
        await page.getByLabel("Value").fill(token);
        await page.getByLabel("Bound to").fill(forPage.boundTo);
        await page.getByRole("button", { name: "Decrypt" }).click();
        await shown.filter({ hasText: /./ }).waitFor();
      };
      await Promise.race([used(), troubled]);
      return {
        shown: await shown.innerText(),
        value: /** @type {unknown} */ (await page.evaluate("globalThis.decrypted")),
        agent: /** @type {string} */ (await page.evaluate("navigator.userAgent")),
        requests,
      };
    } finally {
      await browser.close();
    }
  } finally {
    server.close();
  }
}

/** Serves the page and the wasm package, and nothing else, on loopback. @param {string} root */
async function serve(root) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "", "http://localhost").pathname;
    const file = join(root, path);
    if (request.method !== "GET" || !SERVED.test(path) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(file)], "content-security-policy": POLICY });
    createReadStream(file).pipe(response);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
