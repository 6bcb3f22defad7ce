/** Where the package runs: in a page, in a module worker that loads it, and in an inlined one that is given its bytes. */
import { readFileSync } from "node:fs";

const MODULE = new URL("../../wasm/lib/wasm/pkg/strongroom_wasm_bg.wasm", import.meta.url);

/** Does a job of `work.js` in the page. */
export async function inPage({ page }, given) {
  return await page.evaluate(async (given) => {
    const [library, { run }] = await Promise.all([
      import("/wasm/lib/wasm/ts/index.js"),
      import("/tests/browser/work.js"),
    ]);
    return await run(library, given);
  }, given);
}

/** Does a job in a worker of its own, which fetches the module; gives what came of it. */
export async function inWorker({ page }, given) {
  const { done, fetched } = await page.evaluate(async (given) => {
    const worker = new Worker("/tests/browser/worker.js", { type: "module" });
    return await window.answered(worker, given);
  }, given);
  if (fetched !== 1) throw new Error(`the worker fetched the module ${fetched} times`);
  return done;
}

/** The same in a worker from a blob, which is given the module's bytes and fetches nothing. */
export async function inInlinedWorker({ page }, given) {
  const bytes = readFileSync(MODULE).toString("base64");
  const { done, fetched } = await page.evaluate(
    async ({ given, bytes }) => {
      const source = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
      const script = new Blob([`import "${location.origin}/tests/browser/worker.js";`], {
        type: "text/javascript",
      });
      const worker = new Worker(URL.createObjectURL(script), { type: "module" });
      return await window.answered(worker, { ...given, source });
    },
    { given, bytes },
  );
  if (fetched !== 0) throw new Error(`the worker fetched the module ${fetched} times`);
  return done;
}

export const PLACES = { "a page": inPage, "a module worker": inWorker, "an inlined worker": inInlinedWorker };
