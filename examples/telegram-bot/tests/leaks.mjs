/** Canaries: random values that must not turn up where values do not belong, in no encoding and not in part. */
import { randomBytes } from "node:crypto";

/** So many characters of a value in a row are a leak; what masks show is shorter. */
const WINDOW = 8;

export class Canaries {
  /** @type {string[]} */
  #values = [];

  /** A fresh value. @param {string} [prefix] */
  make(prefix = "") {
    return this.watch(prefix + randomBytes(24).toString("base64url").replaceAll(/[-_]/g, "x"));
  }

  /** Looks for a value that somebody else made. @template {string} T @param {T} value */
  watch(value) {
    this.#values.push(value);
    return value;
  }

  /** Where values turn up in a text or in bytes: which one, and in which encoding. @param {string | Uint8Array} where */
  found(where) {
    const text = typeof where === "string" ? where : Buffer.from(where).toString("latin1");
    const lower = text.toLowerCase();
    return this.#values.flatMap((value, index) =>
      encodings(value).flatMap(({ encoding, windows, anyCase }) =>
        windows.some((window) => (anyCase ? lower : text).includes(window))
          ? [`canary ${index} in ${encoding}`]
          : [],
      ),
    );
  }
}

/** @param {string} value */
function encodings(value) {
  const bytes = Buffer.from(value);
  return [
    { encoding: "plain", windows: windows(value, WINDOW), anyCase: false },
    { encoding: "hex", windows: windows(bytes.toString("hex"), 2 * WINDOW), anyCase: true },
    ...[0, 1, 2].map((before) => ({
      encoding: `base64, ${before} bytes in`,
      windows: windows(inBase64(bytes, before), 12),
      anyCase: false,
    })),
  ];
}

/** What of a value's base64 does not depend on its neighbours. @param {Buffer} bytes @param {number} before */
function inBase64(bytes, before) {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64url");
  return text.slice(before === 0 ? 0 : before + 1, -4);
}

/** @param {string} text @param {number} size */
function windows(text, size) {
  return Array.from({ length: text.length - size + 1 }, (_, start) => text.slice(start, start + size));
}
