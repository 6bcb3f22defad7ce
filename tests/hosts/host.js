/**
 * What the hosts of Node and of the browser do with their package: one line in, one line out. Octets are hex. What a
 * method gives is told in the core's words: snake_case, milliseconds, null.
 */
import { RowStore } from "../browser/rows.js";
import { Surroundings, Tape, TapedStore } from "./tape.js";

export class Host {
  #library;
  #native;
  #openFile;
  #tape;
  #store;
  #vault;
  #surroundings = new Surroundings();
  #how;

  /**
   * `library` is the package, `native` and `archives` its modules of that name; `openFile` opens a store in a file, where there
   * are files.
   */
  constructor(library, native, archives, openFile) {
    // Archives cross as they are: the files that they are sealed in are random.
    // Copies, since what they are given is wiped; `slice` of a Buffer is none.
    const copy = (bytes) => Uint8Array.from(bytes);
    archives.sealedBy({ seal: copy, open: copy });
    this.#library = library;
    this.#native = native;
    this.#openFile = openFile;
  }

  /** Answers a line. Throws what is no error of strongroom. */
  async answer(line) {
    const { do: what, ...given } = JSON.parse(line);
    try {
      return JSON.stringify({ told: told(await this.#does(what, given)) });
    } catch (error) {
      if (!this.#library.isStrongroomError(error)) throw error;
      return JSON.stringify({ code: error.code, message: error.message });
    }
  }

  #does(what, given) {
    const { Keyring, version } = this.#library;
    switch (what) {
      case "version":
        return version();
      case "generate": {
        const keyring = Keyring.generate();
        return { key: keyring.dangerousExport(), keys: keyring.keys };
      }
      case "keys":
        return Keyring.parse(given.key).keys;
      case "export":
        if (given.key === undefined) return this.#exported(given);
        return Keyring.parse(given.key).dangerousExport();
      case "encrypt":
        return Keyring.parse(given.key).encrypt(octets(given.value), {
          format: given.format,
          ...boundTo(given),
        });
      case "decrypt":
        return hex(Keyring.parse(given.key).decryptBytes(given.token, { ...boundTo(given), ...only(given) }));
      case "inspect":
        return Keyring.parse(given.key).inspectToken(given.token, boundTo(given));
      case "open":
        return this.#open(given, this.#opened(given));
      case "reopen":
        return this.#open(given, this.#store);
      case "open_file":
        this.#store?.close?.();
        return this.#open(given, this.#openFile(given.path));
      case "close":
        this.#store?.close();
        this.#store = undefined;
        return null;
      case "dump":
        return this.#store.dump();
      case "metrics":
        return this.#vault.metrics({ prefix: given.prefix });
      case "fix_entropy":
        this.#tape ??= Tape.install(this.#native);
        this.#native.native().fixEntropy(given.seed);
        return null;
      case "clock":
        return this.#tape.setClock(given.at);
      case "put":
        return this.#store.put(given.rows);
      case "faults":
        this.#store.faults = given.faults;
        return null;
      case "host":
        this.#surroundings.set(given);
        return null;
      case "taken":
        return this.#tape.taken;
      case "work":
        return this.#work(given);
      default:
        this.#tape?.rewind();
        return this.#operate(what, given);
    }
  }

  #opened({ rows, page }) {
    return page === null ? RowStore.from(rows) : TapedStore.from(this.#library, rows, page);
  }

  async #exported(given) {
    this.#tape?.rewind();
    return hex(await this.#vault.export({ passphrase: "none", ...inWords(given) }));
  }

  #open(given, store) {
    this.#how = given;
    this.#openVault(given, store);
  }

  #openVault({ key, options: { vault_id, value_max, proposal_millis, ...options } }, store) {
    const wire = { vaultId: vault_id, valueMax: value_max, proposalMillis: proposal_millis, ...options };
    const { readEnv, readFile } = this.#surroundings;
    this.#store = store;
    const keyring = this.#library.Keyring.parse(key);
    this.#vault = new this.#library.Vault({ keyring, store, readEnv, readFile, ...wire });
  }

  async #operate(
    what,
    { name, value, generate, change, id, text, key_id, version, policy, to, actions, until, tree, ...rest },
  ) {
    const vault = this.#vault;
    const options = inWords(rest);
    const given = generate === undefined ? value && octets(value) : { generate };
    switch (what) {
      case "rotate":
      case "propose": {
        if (options.rotator) options.rotator = this.#surroundings;
        const first = what === "propose" ? [change, name] : [name];
        return given === undefined ? vault[what](...first, options) : vault[what](...first, given, options);
      }
      case "set":
      case "verify":
        return vault[what](name, given, options);
      case "identify":
        return vault.identify(given, options);
      case "rotate_due":
        return vault.rotateDue(options);
      case "rotate_all":
        return vault.rotateAll(options);
      case "emergency_rotate":
        return vault.emergencyRotate({ name, ...options });
      case "get": {
        const secret = await vault.get(name, options);
        return { value: hex(secret.revealBytes()), ...secret.details };
      }
      case "exists":
      case "delete":
      case "disable":
      case "enable":
      case "versions":
      case "grants":
        return vault[what](name, options);
      case "revoke_previous":
        return vault.revokePrevious(name, options);
      case "expire":
        return vault.expire(
          name,
          options.expiresInMillis === undefined ? { expiresAt: null, ...options } : options,
        );
      case "rollback":
        return vault.rollback(name, version, options);
      case "grant":
        return vault.grant(
          name,
          { to, actions, until: until === undefined ? until : new Date(until) },
          options,
        );
      case "revoke":
        return vault.revoke(name, id, options);
      case "audit":
        return vault.audit({ name, ...options });
      case "confirm":
      case "cancel":
        return vault[what](id, options);
      case "set_policy":
        return vault.setPolicy(policy, options);
      case "copy_to": {
        const target = this.#store.target();
        const copied = await vault.copyTo(target, options);
        // From then on it is the one in use.
        this.#open(this.#how, target);
        return copied;
      }
      case "renew_root":
        return (await vault.renewRootPages(options).next()).value;
      case "rekey":
        return (await vault.rekeyPages(options).next()).value;
      case "retire":
        return vault.retire(key_id, options);
      case "command":
        return vault.command(text, options);
      case "get_many": {
        const found = await vault.getMany(options.names, without(options, "names"));
        return [...found.values()].map((secret) => ({ value: hex(secret.revealBytes()), ...secret.details }));
      }
      case "set_many":
        return vault.setMany(options.values, without(options, "values"));
      case "import":
        return vault.import(given, { passphrase: "none", ...options });
      case "import_env":
        this.#native.install(this.#native.native(), () => options.environment);
        return vault.importEnv(without(options, "environment"));
      case "import_dotenv":
        return vault.importDotenv(text, options);
      case "provision":
      case "check": {
        this.#native.install(this.#native.native(), () => options.plain);
        const manifest = this.#library.Manifest.parse(JSON.stringify(options.manifest), { format: "json" });
        return vault[what](manifest, without(options, "manifest", "plain"));
      }
      case "resolve":
        return shown(await vault.resolve(tree, options), this.#library.Secret);
      case "due":
      case "list":
      case "purge":
      case "policy":
      case "census":
      case "adopt":
        return vault[what](options);
      case "rotation_status":
        return vault.rotationStatus(options);
      case "verify_audit":
        return vault.verifyAudit(options);
      case "checkpoint": {
        const { signing_key, signer, ...rest } = options;
        const signingKey = this.#library.SigningKey.parse(signing_key, { name: signer });
        return vault.checkpoint({ signingKey, ...rest });
      }
      case "export_audit": {
        const lines = [];
        for await (const line of vault.exportAudit(options)) lines.push(line);
        return lines;
      }
      default:
        throw new Error(`there is no ${what}`);
    }
  }

  /** Many operations on a few secrets; tells how many of which. */
  async #work({ names, operations, actor }) {
    const done = { gets: Object.fromEntries(names.map((name) => [name, 0])), writes: 0 };
    for (let number = 0; number < operations; number++) {
      const name = names[(number * 7 + 3) % names.length];
      if (number % 4 === 3) {
        await this.#vault.rotate(name, `value of the other host number ${number}`, { actor });
        done.writes++;
      } else {
        (await this.#vault.get(name, { actor })).reveal();
        done.gets[name]++;
      }
    }
    return done;
  }
}

const boundTo = ({ bound }) =>
  bound === null || bound === undefined ? {} : { associatedData: octets(bound) };

const only = ({ formats }) => (formats === undefined ? {} : { formats });

const octets = (text) =>
  Uint8Array.from({ length: text.length / 2 }, (_, at) =>
    Number.parseInt(text.slice(2 * at, 2 * at + 2), 16),
  );

const hex = (bytes) => Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");

/** A tree with its secrets. */
function shown(tree, Secret) {
  if (tree instanceof Secret) return { value: hex(tree.revealBytes()), ...tree.details };
  if (Array.isArray(tree)) return tree.map((item) => shown(item, Secret));
  if (typeof tree !== "object" || tree === null) return tree;
  return Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, shown(value, Secret)]));
}

/** Options in JavaScript's words: camelCase, `Date`. */
const inWords = ({ actor: { session_expires_at, ...who }, ...options }) => ({
  actor: session_expires_at === undefined ? who : { ...who, sessionExpiresAt: new Date(session_expires_at) },
  ...Object.fromEntries(Object.entries(options).map(([key, value]) => WORDS[key]?.(value) ?? [key, value])),
});

const without = (options, ...names) =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));

const WORDS = {
  on_conflict: (what) => ["onConflict", what],
  if_exists: (what) => ["ifExists", what],
  dry_run: (is) => ["dryRun", is],
  expires_at: (at) => ["expiresAt", new Date(at)],
  expires_in: (millis) => ["expiresInMillis", millis],
  grace_millis: (millis) => ["graceMillis", millis],
  ahead_millis: (millis) => ["aheadMillis", millis],
};

/** The same in the core's words. */
function told(value) {
  if (value === undefined || value === null) return null;
  if (value instanceof Date) return value.getTime();
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snake(key), told(inner)]));
}

/** Names of fields alone: the names of secrets, as the counts of `work` have them, are left as they are. */
const snake = (key) =>
  /^[a-z]+([A-Z][a-z]+)+$/.test(key) ? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : key;
