/** A PostgreSQL server of a test file's own: Debian's binaries, an unprivileged user, a folder that is gone afterwards. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import pg from "pg";

/** Registers a cluster with the test file that calls: it runs before the first test, and is gone after the last. */
export function cluster(settings = {}) {
  const made = new Cluster(settings);
  // Also when the process ends in the middle.
  process.on("exit", () => made.server?.kill("SIGQUIT"));
  before(() => made.make());
  after(() => made.destroy());
  return made;
}

class Cluster {
  #schemas = 0;

  constructor(settings) {
    this.settings = settings;
  }

  async make() {
    this.folder = mkdtempSync(join(tmpdir(), "strongroom-pg-"));
    // Root must not run a server.
    this.user = process.getuid() === 0 ? idsOf("postgres") : {};
    if (this.user.uid !== undefined) chownSync(this.folder, this.user.uid, this.user.gid);
    chmodSync(this.folder, 0o755);
    this.data = join(this.folder, "data");
    const options = "-U postgres -A trust -E UTF8 --locale=C --no-sync".split(" ");
    execFileSync(binary("initdb"), ["-D", this.data, ...options], {
      ...this.user,
      cwd: this.folder,
      stdio: "ignore",
    });
    this.certificate = this.#makeCertificate();
    appendFileSync(join(this.data, "pg_hba.conf"), "hostssl all all all trust\n");
    this.port = await freePort();
    const settings = {
      port: this.port,
      listen_addresses: "*",
      unix_socket_directories: this.folder,
      fsync: "off",
      ssl: "on",
      ...this.settings,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    appendFileSync(join(this.data, "postgresql.conf"), lines.join(""));
    await this.start();
  }

  /** For this machine's own address in the network, where it has one; signed by itself. */
  #makeCertificate() {
    const names = ["127.0.0.1", ownAddress()].filter(Boolean).map((address) => `IP:${address}`);
    const files = ["-keyout", "server.key", "-out", "server.crt"];
    const subject = ["-subj", "/CN=strongroom", "-addext", `subjectAltName=${names.join(",")}`];
    const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(" ");
    execFileSync("openssl", [...request, ...files, ...subject], {
      ...this.user,
      cwd: this.data,
      stdio: "ignore",
    });
    return readFileSync(join(this.data, "server.crt"), "utf8");
  }

  async start() {
    this.#spawn();
    for (let tries = 0; ; tries += 1) {
      // What a server that was ended at once has left may still be going away.
      if (this.server.exitCode !== null) this.#spawn();
      const client = new pg.Client(this.url());
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        assert.ok(tries < 200, `the server does not start: ${error.message}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  #spawn() {
    const options = { ...this.user, cwd: this.folder, stdio: "ignore" };
    this.server = spawn(binary("postgres"), ["-D", this.data], options);
    this.stopped = new Promise((resolve) => this.server.on("exit", resolve));
  }

  /** Ends the server as `immediate` does, without a word to anybody, unless another signal is given. */
  async stop(signal = "SIGQUIT") {
    this.server.kill(signal);
    await this.stopped;
  }

  async destroy() {
    if (this.server !== undefined) await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  url(user = "postgres", database = "postgres") {
    return `postgresql://${user}@127.0.0.1:${this.port}/${database}`;
  }

  /** The name of a schema that there is not. */
  newSchema() {
    this.#schemas += 1;
    return `vault_${this.#schemas}`;
  }

  /** What a statement gives, through a connection of its own. */
  async query(text, values) {
    const client = new pg.Client(this.url());
    await client.connect();
    try {
      return (await client.query(text, values)).rows;
    } finally {
      await client.end();
    }
  }
}

/** An address of this machine that is not loopback, where it has one. */
export function ownAddress() {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address;
}

function binary(name) {
  const root = "/usr/lib/postgresql";
  const [latest] = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return join(root, latest, "bin", name);
}

function idsOf(name) {
  const id = (flag) => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
