/** What the suites share: scratch folders, expected errors, child processes, and values as an old bot encrypted them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StrongroomError } from "../lib/node/ts/index.js";

export const alice = { actor: "alice" };

/** A folder that is gone after the test. */
export function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), "strongroom-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Closes something after the test; several in the order opposite to that of their opening. */
export function closing(t, resource) {
  t.after(() => resource.close());
  return resource;
}

/** The error of that code which something throws or rejects with; anything else fails the test. */
export async function refused(code, run) {
  let result;
  try {
    result = await run();
  } catch (error) {
    assert.ok(error instanceof StrongroomError, `expected ${code}, got ${error?.stack ?? error}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`expected ${code}, got ${JSON.stringify(result)}`);
}

/** Encrypts as the bot did before: base64 of iv[16] tag[16] ciphertext. */
export function oldEncrypt(key, value, iv = randomBytes(16)) {
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const ciphertext = Buffer.concat([cipher.update(value), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]).toString("base64");
}

/** Decrypts as the bot did before. */
export function oldDecrypt(key, text) {
  const bytes = Buffer.from(text, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 16), { authTagLength: 16 });
  decipher.setAuthTag(bytes.subarray(16, 32));
  return Buffer.concat([decipher.update(bytes.subarray(32)), decipher.final()]);
}

/** Runs a module of this folder in a process of its own; gives what it came to. */
export function runChild(module, args = [], { env = {}, killAfter } = {}) {
  const path = new URL(module, import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", path, ...args.map(String)],
    {
      env: { ...process.env, ...env },
    },
  );
  const [stdout, stderr] = [[], []];
  child.stdout.on("data", (chunk) => stdout.push(chunk));
  child.stderr.on("data", (chunk) => stderr.push(chunk));
  const killer = killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfter);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(killer);
      const [out, err] = [Buffer.concat(stdout), Buffer.concat(stderr)];
      resolve({
        code,
        signal,
        stdout: out.toString(),
        stderr: err.toString(),
        output: Buffer.concat([out, err]),
      });
    });
  });
}

/** A random whole number below a limit. */
export function below(limit) {
  return randomBytes(4).readUInt32LE() % limit;
}

/** One of several, at random. */
export function anyOf(choices) {
  return choices[below(choices.length)];
}
