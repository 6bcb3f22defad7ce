/** The hand-written types of the native part against the addon itself: nothing missing, nothing untyped. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

const addon = createRequire(import.meta.url)("../strongroom.linux-x64-gnu.node");
const source = ["../../bindings/js/native.ts", "../ts/native.ts"]
  .map((path) => readFileSync(new URL(path, import.meta.url), "utf8"))
  .join("\n");

/** The members that the interfaces of these names declare. */
function declared(...names) {
  return names
    .flatMap((name) => {
      const body = new RegExp(`interface ${name}\\b[^{]*\\{([^}]*(?:\\{[^}]*\\}[^}]*)*?)\\n\\}`).exec(
        source,
      )?.[1];
      assert.ok(body, `the interface ${name} is declared`);
      return [...body.matchAll(/^ {2}(\w+)\??[(:]/gm)].map((match) => match[1]);
    })
    .sort();
}

const classes = [
  "NativeDocument",
  "NativeFile",
  "NativeKeyring",
  "NativeOpened",
  "NativeSecret",
  "NativeSession",
  "NativeVault",
  "NativeWatch",
  "NativeWrapped",
];

test("the addon has the functions and classes that its types declare, and no others", () => {
  assert.deepEqual(Object.keys(addon).sort(), [...declared("Native", "NodeNative"), ...classes].sort());
});

for (const name of classes) {
  test(`${name} has the methods that its type declares, and no others`, () => {
    const methods = Object.getOwnPropertyNames(addon[name].prototype).filter(
      (method) => method !== "constructor",
    );
    assert.deepEqual(methods.sort(), declared(name));
  });
}
