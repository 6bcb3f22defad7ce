/**
 * Wraps keyrings and opens them as it is told: one JSON object a line in, one a line out. `node wrapped.mjs ENTRY [MODULE]`:
 * the entry of a built package, and for that of the browser its WebAssembly module.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [entry, module] = process.argv.slice(2).map((path) => resolve(path));
const { init, isStrongroomError, Keyring, WrappedKeyring } = await import(pathToFileURL(entry));
await init?.(await readFile(module));

/** What the tests take for a KMS. */
const masked = (bytes) => bytes.map((byte) => byte ^ 0x5a);
const told = (keyring) =>
  keyring.keys.map(({ id, state, label, createdAt }) => ({
    id,
    state,
    label: label ?? null,
    created_at: createdAt === undefined ? null : String(createdAt.getTime()),
  }));

const does = {
  /** By a passphrase, and by the host beside it. */
  async seal({ key, key_label: keyLabel, label, passphrase, cost: [memoryKib, passes, lanes] }) {
    let keyring = Keyring.parse(key).addEnabled({ label: keyLabel });
    keyring = keyring.makePrimary(keyring.keys[1].id).advance(keyring.keys[0].id, "disabled");
    const wrapped = await WrappedKeyring.seal(keyring, {
      label,
      passphrase,
      cost: { memoryKib, passes, lanes },
    });
    const opened = await wrapped.open({ passphrase });
    await opened.add({ label: "host", wrap: async (dataKey) => masked(dataKey) });
    opened.close();
    return { text: opened.wrapped.toText(), keys: told(keyring), token: keyring.encrypt("hello") };
  },

  async open({ text, passphrase, data_key: dataKey }) {
    const wrapped = WrappedKeyring.parse(text);
    if (passphrase !== undefined) return told(await wrapped.unwrap({ passphrase }));
    const unwrap = (opaque) => (dataKey === undefined ? masked(opaque) : Buffer.from(dataKey, "hex"));
    return told(await wrapped.unwrap({ unwrap }));
  },

  async decrypt({ text, passphrase, token }) {
    return (await WrappedKeyring.parse(text).unwrap({ passphrase })).decrypt(token);
  },

  /** A key more, sealed again, with nothing of the wraps known but one passphrase. */
  async renew({ text, passphrase }) {
    const opened = await WrappedKeyring.parse(text).open({ passphrase });
    opened.reseal(opened.keyring.addEnabled({ label: "renewed" }));
    opened.close();
    return { text: opened.wrapped.toText(), keys: told(opened.keyring) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { told: await does[what](given) };
  } catch (error) {
    if (!isStrongroomError(error)) throw error;
    answer = { code: error.code, message: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
