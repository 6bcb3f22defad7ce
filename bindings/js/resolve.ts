/** Trees of configuration: what the core sees of one, and the same tree with what its references stand for. */
import { invalid } from "./arguments.js";
import type { NativeSecret } from "./native.js";
import type { Resolved } from "./results.js";
import { Secret, type SecretDetails } from "./secret.js";
import { camel } from "./wire.js";

/** What the core tells: what each value is, and which of the tree's texts stands for which value. */
export interface ResolvedTexts {
  values: { kind: "secret" | "env" | "file" | "plain"; details: Record<string, unknown> | null }[];
  texts: { text: number; value: number }[];
}

/** The tree as JSON. What is no text, list or plain object is left out: it stays as it is. */
export function treeText(tree: unknown): string {
  const replacer = function (this: Record<string, unknown>, key: string, value: unknown): unknown {
    // Not what a `toJSON` made of it.
    const own = this[key];
    return typeof own === "string" || Array.isArray(own) || isPlain(own)
      ? own
      : value === undefined
        ? value
        : null;
  };
  try {
    return JSON.stringify(tree, replacer) ?? "null";
  } catch {
    // The engine's own error may repeat what was given.
    throw invalid("the tree can't be written as JSON: it holds itself, or is too deep");
  }
}

/** The tree as it is now. Throws for one that holds itself, or is too deep. */
export function copyOf<T>(tree: T): T {
  try {
    return copied(tree, (leaf) => leaf) as T;
  } catch {
    throw invalid("the tree can't be written as JSON: it holds itself, or is too deep");
  }
}

/** A copy of the tree, every text that stands for a value replaced by that. */
export function resolvedTree<T>(
  tree: T,
  { values, texts }: ResolvedTexts,
  handles: NativeSecret[],
): Resolved<T> {
  const made = values.map(({ kind, details }, index) => {
    const handle = handles[index];
    if (handle === undefined) throw new TypeError("the native part gave too few values");
    if (kind !== "plain")
      return new Secret(handle, details === null ? undefined : camel<SecretDetails>(details));
    const text = handle.revealText();
    handle.wipe();
    return text;
  });
  const places = new Map(texts.map(({ text, value }) => [text, made[value]]));
  let text = 0;
  // In the order in which JSON has them.
  return copied(tree, (leaf) =>
    typeof leaf === "string" ? (places.get(text++) ?? leaf) : leaf,
  ) as Resolved<T>;
}

/**
 * The same tree with the texts of its secrets: for what can't take a `Secret`, such as the environment of a child process.
 * Strings can't be wiped: do it at the last moment, and keep nothing of it. Throws `VALUE_INVALID` for what is not UTF-8.
 */
export function revealAll(tree: unknown): unknown {
  return copied(tree, (leaf) => (leaf instanceof Secret ? leaf.reveal() : leaf));
}

function copied(tree: unknown, leaf: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(tree)) return Array.from(tree, (item) => copied(item, leaf));
  if (!isPlain(tree)) return leaf(tree);
  // Not by assignment: a field may have the name `__proto__`.
  return Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, copied(value, leaf)]));
}

/** As a literal or `JSON.parse` makes it, in whichever realm. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
