// Node's side of the tests between languages: one JSON object a line in, one a line out. Octets are hex.
import { createInterface } from "node:readline";
import { isStrongroomError, Keyring, Vault, version } from "../node/lib/node/ts/index.js";
import { SqliteStore } from "../node/lib/node/ts/sqlite.js";

const bytes = (hex) => (hex === undefined || hex === null ? undefined : Buffer.from(hex, "hex"));
const hex = (octets) => Buffer.from(octets).toString("hex");

let vault;
let store;

const does = {
  version,
  generate: () => Keyring.generate().dangerousExport(),
  export: ({ key }) => Keyring.parse(key).dangerousExport(),
  ids: ({ key }) => Keyring.parse(key).keys.map(({ id, state }) => [id, state]),
  encrypt: ({ key, value, format, bound }) =>
    Keyring.parse(key).encrypt(bytes(value), {
      format,
      ...(bound === null ? {} : { associatedData: bytes(bound) }),
    }),
  decrypt: ({ key, token, bound }) =>
    hex(Keyring.parse(key).decryptBytes(token, bound === null ? {} : { associatedData: bytes(bound) })),
  inspect: ({ key, token }) => Keyring.parse(key).inspectToken(token),
  open: ({ path, key, options }) => {
    store?.close();
    store = new SqliteStore(path);
    vault = new Vault({ keyring: Keyring.parse(key), store, ...options });
  },
  close: () => {
    store?.close();
    store = undefined;
  },
  set: ({ name, value, ...options }) => vault.set(name, bytes(value), options),
  rotate: ({ name, value, ...options }) => vault.rotate(name, bytes(value), options),
  get: async ({ name, ...options }) => {
    const secret = await vault.get(name, options);
    return {
      value: hex(secret.revealBytes()),
      format: secret.details.format,
      version: secret.details.version,
    };
  },
  delete: ({ name, ...options }) => vault.delete(name, options),
  list: (options) => vault.list(options),
  audit: (options) => vault.audit(options),
  verifyAudit: (options) => vault.verifyAudit(options),
  census: (options) => vault.census(options),
  propose: ({ change, name, value, ...options }) =>
    value === undefined
      ? vault.propose(change, name, options)
      : vault.propose(change, name, bytes(value), options),
  confirm: ({ id, ...options }) => vault.confirm(id, options),
  cancel: ({ id, ...options }) => vault.cancel(id, options),
  command: ({ text, ...options }) => vault.command(text, options),
  work,
};

/** Many operations on a few secrets; tells how many of which. */
async function work({ names, operations, actor }) {
  const done = { gets: Object.fromEntries(names.map((name) => [name, 0])), writes: 0 };
  for (let number = 0; number < operations; number++) {
    const name = names[(number * 7 + 3) % names.length];
    if (number % 4 === 3) {
      await vault.rotate(name, `value of node number ${number}`, { actor });
      done.writes++;
    } else {
      (await vault.get(name, { actor })).reveal();
      done.gets[name]++;
    }
  }
  return done;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { what, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { told: (await does[what](given)) ?? null };
  } catch (error) {
    if (!isStrongroomError(error)) throw error;
    answer = { code: error.code, message: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
