/** A module worker that does jobs: one message in, one out. */
import * as library from "/wasm/lib/wasm/ts/index.js";
import { run } from "./work.js";

/** The module's memory, seen as a debugger sees it. */
let memory;
for (const way of ["instantiate", "instantiateStreaming"]) {
  const instantiate = WebAssembly[way];
  WebAssembly[way] = async (...given) => {
    const made = await instantiate(...given);
    memory = (made.instance ?? made).exports.memory;
    return made;
  };
}

addEventListener("message", async ({ data }) => {
  try {
    const done = await run(library, { ...data, memory: () => memory });
    const fetched = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".wasm"));
    postMessage({ done, fetched: fetched.length });
  } catch (error) {
    postMessage({ failed: `${error?.stack ?? error}` });
  }
});
