/** A scanner for secrets that got out: plain, in hex, in base64 of every alignment, in UTF-16, escaped. */

/** What to look for, by the name of its encoding. */
export function needles(secret) {
  const plain = Buffer.from(secret);
  const found = new Map([
    ["plain", plain],
    ["hex", Buffer.from(plain.toString("hex"))],
    ["HEX", Buffer.from(plain.toString("hex").toUpperCase())],
    ["spaced hex", Buffer.from(plain.toString("hex").replace(/../g, "$& ").trimEnd())],
    ["utf-16", Buffer.from(plain.toString(), "utf16le")],
    ["utf-16 big-endian", Buffer.from(plain.toString(), "utf16le").swap16()],
    ["reversed", Buffer.from(plain).reverse()],
    ["decimal list", Buffer.from([...plain].join(","))],
    ["spaced decimal list", Buffer.from([...plain].join(", "))],
    [
      "percent",
      Buffer.from([...plain].map((byte) => `%${byte.toString(16).padStart(2, "0").toUpperCase()}`).join("")),
    ],
  ]);
  for (const encoding of ["base64", "base64url"]) {
    for (const alignment of [0, 1, 2])
      found.set(`${encoding}+${alignment}`, aligned(plain, encoding, alignment));
  }
  return found;
}

/** The characters of base64 that depend on these bytes alone, when so many bytes come before. */
function aligned(bytes, encoding, before) {
  const after = (3 - ((bytes.length + before) % 3)) % 3;
  const whole = Buffer.concat([Buffer.alloc(before), bytes, Buffer.alloc(after)]).toString(encoding);
  // A character holds six bits: one that shares bits with what comes before or after is left out.
  const first = Math.ceil((before * 8) / 6);
  const last = Math.floor(((before + bytes.length) * 8) / 6);
  return Buffer.from(whole.slice(first, last));
}

/** The names of the encodings in which bytes hold a secret. */
export function scan(bytes, secret) {
  return [...needles(secret)].filter(([, needle]) => bytes.includes(needle)).map(([encoding]) => encoding);
}

/** A leak to plant: a text, and where to. `ENCODING@PLACE`, the place `stdout`, `stderr` or a file's name. */
export function planted(plant, secret) {
  const [encoding, place] = plant.split("@");
  const noise = Buffer.from("x".repeat(alignmentOf(encoding)));
  const base64 = (name) => Buffer.concat([noise, Buffer.from(secret), Buffer.from("tail")]).toString(name);
  const kind = encoding.split("+")[0];
  const text = kind.startsWith("base64") ? base64(kind) : needles(secret).get(encoding);
  return { text: Buffer.concat([Buffer.from("before "), Buffer.from(text), Buffer.from(" after")]), place };
}

function alignmentOf(encoding) {
  return encoding.includes("+") ? 3 + Number(encoding.at(-1)) : 0;
}
