/** Arguments of callers that no compiler checks. What is refused is never repeated: it may be a value or a key. */
import { StrongroomError } from "./errors.js";
import type { Text } from "./native.js";

/** A value: text or bytes. */
export function textOrBytes(value: unknown, what: string): Text {
  // By its tag: the bytes may come from another realm, as they do in some test runners.
  const bytes =
    ArrayBuffer.isView(value) &&
    (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === "Uint8Array";
  if (typeof value !== "string" && !bytes) throw invalid(`${what} must be a string or a Uint8Array`);
  return value as Text;
}

/** Text. */
export function textOnly(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} must be a string`);
  return value;
}

/** Several texts. */
export function listOfText(value: unknown, what: string): string[] {
  if (!Array.isArray(value)) throw invalid(`${what} must be an array of strings`);
  return value.map((text) => textOnly(text, `each of ${what}`));
}

/** A date, in milliseconds since the epoch. */
export function instant(value: unknown, what: string): number {
  // By what it does: it may come from another realm.
  const millis: unknown = (value as Date | null)?.getTime?.();
  if (typeof millis !== "number" || !Number.isFinite(millis)) throw invalid(`${what} is not a valid date`);
  return millis;
}

/** An integer. Others would be null in JSON, or rounded in silence. */
export function wholeNumber(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value)) throw invalid(`${what} must be a whole number`);
  return value as number;
}

/** The same, or absent. */
export function optional<T>(
  check: (value: unknown, what: string) => T,
  value: unknown,
  what: string,
): T | undefined {
  return value === undefined ? undefined : check(value, what);
}

/** Refuses what was left over of an options object: a misspelled option would do nothing in silence. */
export function refuseUnknown(unknown: object, where: string): void {
  const [name] = Object.keys(unknown);
  if (name === undefined) return;
  // The letters of a text are its fields, numbered.
  if (name === "0") throw invalid(`${where} must be an object`);
  throw invalid(`${where} have no field ${name}`);
}

export function invalid(message: string): StrongroomError<"INVALID_ARGUMENT"> {
  return new StrongroomError("INVALID_ARGUMENT", message);
}
