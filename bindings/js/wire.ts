/** Options as the core names them, and what it tells in JavaScript's words. */
import { instant, invalid, optional, refuseUnknown, wholeNumber } from "./arguments.js";
import type { Text } from "./native.js";
import type { ExpiryOptions, NewValue, SecretOptions } from "./options.js";
import type { AuditEvent, Written } from "./results.js";
import { Secret } from "./secret.js";

/** An object with the fields that the core knows. */
export type Wire = Record<string, unknown>;

/** The options that every operation has. Misspelled ones are errors. */
export function common(options: SecretOptions): Wire {
  const { actor, namespace, ...unknown } = options ?? {};
  refuseUnknown(unknown, "the options");
  if (typeof actor === "string") return { namespace, actor: { id: actor } };
  if (typeof actor !== "object" || actor === null)
    throw invalid("the options name no actor: give an id, as a string, or an object with one");
  const { id, platform, roles, sessionExpiresAt, ...more } = actor;
  if (typeof id !== "string") throw invalid("the actor's id must be a string");
  refuseUnknown(more, "the actor");
  const ends = optional(instant, sessionExpiresAt, "sessionExpiresAt");
  return { namespace, actor: { id, platform, roles, session_expires_at: ends } };
}

/** When a value ends. */
export function expiry({ expiresAt, expiresInMillis }: ExpiryOptions): Wire {
  return {
    expires_at: expiresAt === null ? null : optional(instant, expiresAt, "expiresAt"),
    expires_in: optional(wholeNumber, expiresInMillis, "expiresInMillis"),
  };
}

/** What is to be made as a field, what is given as a value: values are no part of any JSON. */
export function newValue(value: NewValue): [Wire, (Text | Secret)?] {
  if (typeof value !== "object" || value === null || value instanceof Secret || !("generate" in value))
    return [{}, value];
  const { generate, ...unknown } = value;
  refuseUnknown(unknown, "a value that is to be made");
  if (generate === undefined || generate === null)
    throw invalid("generate must name a generator or describe one");
  return [{ generate }];
}

/** As JSON. The engine's own error may repeat what was given. */
export function json(wire: Wire): string {
  try {
    return JSON.stringify(wire);
  } catch {
    throw invalid("the options hold what can't be written as JSON");
  }
}

const INSTANTS = new Set([
  "at",
  "created_at",
  "due_at",
  "expires_at",
  "exported_at",
  "granted_at",
  "last_accessed",
  "last_rotated",
  "next_due",
  "primary_created_at",
  "until",
  "valid_until",
]);

/** The same object in JavaScript's words: camelCase, `Date`, `undefined`. */
export function camel<T>(told: unknown): T {
  const named = Object.entries(told as Wire).map(([key, value]) => [
    key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    INSTANTS.has(key) ? date(value) : (value ?? undefined),
  ]);
  return Object.fromEntries(named) as T;
}

/** Several of them, from the field that they stand in. */
export function camels<T>(told: unknown, field: string): T[] {
  return ((told as Wire)[field] as Wire[]).map(camel<T>);
}

/** An event without what links it into the chain. */
export function auditEvent({
  mac: _,
  prev_mac: _prev,
  digest: _digest,
  epoch: _epoch,
  ...event
}: Wire): AuditEvent {
  return camel(event);
}

export function date(millis: unknown): Date | undefined {
  return typeof millis === "number" ? new Date(millis) : undefined;
}

export const written = camel<Written>;
