/** What the panel's tests run in: the real backend in a process, Chromium, and between them a wire that keeps all that passes. */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { launchChromium } from "../../demo/chromium.mjs";
import { Canaries } from "../../telegram-bot/tests/leaks.mjs";

const ROOT = resolve(import.meta.dirname, "../../..");
const BACKEND = join(ROOT, "examples/fastapi-backend");
const EXAMPLE = join(ROOT, "examples/admin-panel");
const PYTHON = join(ROOT, ".venv/bin/python");
const LISTENING = /Uvicorn running on http:\/\/127\.0\.0\.1:(\d+)/;
const token = () => randomBytes(24).toString("hex");
/** Who may call the backend. */
export const TOKENS = { alice: token(), bob: token(), panel: token() };

/** @typedef {Awaited<ReturnType<typeof startWorld>>} World */

/** Runs Python with the library. @param {string} code @param {Record<string, string>} environ */
function python(code, environ) {
  const env = { ...process.env, ...environ };
  return execFileSync(PYTHON, ["-c", code], { env, encoding: "utf8" }).trimEnd();
}

/** Starts the backend on a fresh database. Its key is two: the second is an old Fernet key. */
export async function startWorld() {
  const folder = mkdtempSync(join(tmpdir(), "admin-panel-"));
  const served = join(folder, "public");
  cpSync(join(EXAMPLE, "public"), served, {
    recursive: true,
    filter: (path) => !path.includes("strongroom-web"),
  });
  execFileSync(join(EXAMPLE, "build.sh"), [served]);
  const database = join(folder, "backend.db");
  const made = python(
    "from strongroom import Keyring; from strongroom.fernet import Fernet\n" +
      "print(Keyring.generate().dangerous_export(), Fernet.generate_key().decode())",
    {},
  );
  const [newKey = "", fernetKey = ""] = made.split(" ");
  const backend = new BackendProcess({
    ENCRYPTION_KEY: `${newKey},${fernetKey}`,
    API_TOKENS: `alice:${TOKENS.alice},bob:${TOKENS.bob}`,
    PANEL_TOKEN: TOKENS.panel,
    PANEL_DIR: served,
    DATABASE: database,
  });
  await backend.start();
  const wire = await startWire(
    () => backend.port,
    join(served, "strongroom-web/wasm/pkg/strongroom_wasm_bg.wasm"),
  );
  const browser = await launchChromium();
  const canaries = new Canaries();
  for (const secret of [newKey.replace("srk1.", ""), fernetKey, ...Object.values(TOKENS)])
    canaries.watch(secret);
  return {
    canaries,
    /** What all pages printed and asked for. */
    seen: { printed: "", urls: /** @type {string[]} */ ([]) },
    keys: { all: `${newKey},${fernetKey}`, new: newKey, fernet: fernetKey },
    backend,
    wire,
    browser,

    /** What a user does over HTTP. @param {"alice" | "bob"} user @param {string} path @param {object} [body] */
    async api(user, path, body) {
      const response = await fetch(`http://127.0.0.1:${backend.port}${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${TOKENS[user]}`, "content-type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${path} answered ${response.status}`);
      return /** @type {any} */ (await response.json());
    },

    /** What somebody who can write to the database does. @param {string} statement @param {(string | number | null)[]} given */
    sql(statement, ...given) {
      const opened = new DatabaseSync(database, { timeout: 30_000 });
      try {
        return opened.prepare(statement).all(...given);
      } finally {
        opened.close();
      }
    },

    /** Runs Python with a `keyring` and a `vault` on the same database; gives the JSON that it prints. @param {string} code @param {Record<string, string>} [environ] */
    python(code, environ = {}) {
      const start =
        "import json, os\nfrom strongroom import Keyring, Vault\nfrom strongroom.fernet import Fernet\n" +
        "from strongroom.stores import SQLiteStore\nkeyring = Keyring.from_env()\n" +
        "vault = Vault(keyring, SQLiteStore(os.environ['DATABASE']))\n";
      const keys = { ENCRYPTION_KEY: `${newKey},${fernetKey}`, DATABASE: database, ...environ };
      return JSON.parse(python(start + code, keys));
    },

    async stop() {
      await browser.close();
      wire.close();
      await backend.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The backend, which may be stopped and started again. */
class BackendProcess {
  port = 0;
  /** All that it printed. */
  log = "";
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #environ;

  /** @param {Record<string, string>} environ */
  constructor(environ) {
    this.#environ = environ;
  }

  async start() {
    const { ENCRYPTION_KEY_FILE: _, ...rest } = process.env;
    const started = spawn(PYTHON, ["-m", "backend", "--port", "0"], {
      cwd: BACKEND,
      env: { ...rest, ...this.#environ },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = started;
    let said = "";
    /** @type {Promise<number>} */
    const listening = new Promise((resolve, reject) => {
      const hear = (/** @type {Buffer} */ chunk) => {
        said += chunk;
        this.log += chunk;
        const port = LISTENING.exec(said)?.[1];
        if (port !== undefined) resolve(Number(port));
      };
      started.stdout.on("data", hear);
      started.stderr.on("data", hear);
      started.on("exit", () => reject(new Error(`the backend did not start:\n${said}`)));
    });
    this.port = await listening;
  }

  /** Ends it without a chance to tidy up. */
  async stop() {
    const ending = this.#process;
    this.#process = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    ending.kill("SIGKILL");
    await once(ending, "exit");
  }
}

/** Passes bytes on to a port, wherever it is now, and keeps them. @param {() => number} port @param {string} moduleFile */
async function startWire(port, moduleFile) {
  /** @type {Buffer[][]} Each direction of each connection. */
  const passed = [];
  const server = createServer((near) => {
    const far = connect(port(), "127.0.0.1");
    for (const [from, to] of /** @type {const} */ ([
      [near, far],
      [far, near],
    ])) {
      /** @type {Buffer[]} */
      const chunks = [];
      passed.push(chunks);
      from.on("data", (chunk) => {
        chunks.push(Buffer.from(chunk));
        to.write(chunk);
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const module = readFileSync(moduleFile, "latin1");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    /** All that passed, both ways, but for the module itself, again and again. */
    passed: () =>
      passed.map((chunks) => Buffer.concat(chunks).toString("latin1").replaceAll(module, "")).join("\n"),
    close: () => server.close(),
  };
}
