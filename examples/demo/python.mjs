/** A Python program opens the file that the bot wrote. */
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const ROOT = resolve(import.meta.dirname, "../..");

/**
 * Runs read.py on the database, and gives what it printed.
 *
 * @param {import("./demo.mjs").World} world
 * @param {{ python?: string, program?: string }} [how]
 * @returns {Promise<{ values: Record<string, string>, events: number, unchained: number, strongroom: string, python: string }>}
 */
export async function readWithPython({ path, key, secrets }, how = {}) {
  const python = how.python ?? join(ROOT, ".venv/bin/python");
  const program = how.program ?? join(import.meta.dirname, "read.py");
  const { stdout } = await promisify(execFile)(python, [program, path, ...Object.keys(secrets)], {
    env: { PATH: process.env.PATH, ENCRYPTION_KEY: key.toString("base64") },
    timeout: 60_000,
  });
  return JSON.parse(stdout);
}
