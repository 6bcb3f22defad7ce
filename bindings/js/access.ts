/** Rules of access: what is unusual in a history, event by event. */
import { instant, invalid, optional, refuseUnknown, wholeNumber } from "./arguments.js";
import { guarded } from "./errors.js";
import { type NativeWatch, native } from "./native.js";
import type { AuditEvent } from "./results.js";
import { date, json, type Wire } from "./wire.js";

/** So many events of one actor, 1 to 1000, within a window of at most 31 days. */
export interface AccessBurst {
  count: number;
  windowMillis: number;
}

/** What is unusual. What is left out is not looked for. */
export interface AccessRules {
  /** One actor reads so many values. */
  manyReads?: AccessBurst | undefined;
  /** One actor is denied so often. A presented value that `verify` does not accept is no denial of the actor. */
  deniedBurst?: AccessBurst | undefined;
  /** An actor reads a secret that the watch has not seen them read. */
  firstReader?: boolean | undefined;
}

/** What a rule found; told once for a burst. */
export interface AccessFinding {
  rule: "many_reads" | "first_reader" | "denied_burst";
  actor: string;
  /** The secret that the last of the events was about, if it was about one. */
  namespace: string | undefined;
  name: string | undefined;
  /** How many events of the window it took. */
  count: number;
  /** When the first of them was. */
  since: Date | undefined;
  /** When the last of them was. */
  at: Date | undefined;
}

/** Is told what the rules found, and awaited. What it throws is reported, and fails nothing. */
export type OnFinding = (finding: AccessFinding) => unknown;

const handles = new WeakMap<AccessWatch, NativeWatch>();

/**
 * Looks at events by some rules: at those of a vault that is opened with it, and at those it is shown. It remembers 2000 actors
 * and 100,000 pairs of an actor and a secret at most, those that were seen last. Shown the history before a vault is opened
 * with it, it takes nobody for a first reader who is none.
 *
 * @example
 * const watch = new AccessWatch({ firstReader: true, manyReads: { count: 100, windowMillis: 600_000 } });
 * const before = new Vault({ keyring, store });
 * for (const event of (await before.audit({ actor: "ops", limit: 1000 })).reverse()) watch.observe(event);
 * const vault = new Vault({ keyring, store, accessRules: watch, onFinding: (finding) => notify(finding) });
 */
export class AccessWatch {
  constructor(rules: AccessRules) {
    const { manyReads, deniedBurst, firstReader, ...unknown } = rules ?? {};
    refuseUnknown(unknown, "the rules of access");
    if (firstReader !== undefined && typeof firstReader !== "boolean")
      throw invalid("firstReader must be true or false");
    const bursts = {
      many_reads: burst(manyReads, "manyReads"),
      denied_burst: burst(deniedBurst, "deniedBurst"),
    };
    const wire = json({ ...bursts, first_reader: firstReader });
    handles.set(
      this,
      guarded(() => native().makeWatch(wire)),
    );
  }

  /** Looks at an event; at each once, and best the oldest first. Tells what the rules find in it. */
  observe(event: AuditEvent): AccessFinding[] {
    const { action, actor, namespace, name, outcome, code, stream } = event;
    const at = optional(instant, event.at, "the event's time");
    const wire = json({ at, action, actor, namespace, name, outcome, code, stream });
    const told = guarded(() => watchHandle(this).observe(wire));
    return (JSON.parse(told) as Wire[]).map(accessFinding);
  }
}

/** The native part of a watch. */
export function watchHandle(watch: AccessWatch): NativeWatch {
  const handle = handles.get(watch);
  if (handle === undefined) throw invalid("not an AccessWatch of this package");
  return handle;
}

/** What watches a vault that is opened with some rules, or with a watch that has seen something already. */
export function watchOf(
  rules: AccessRules | AccessWatch | undefined,
  onFinding: unknown,
): NativeWatch | undefined {
  if (onFinding !== undefined && typeof onFinding !== "function")
    throw invalid("onFinding must be a function");
  if (rules !== undefined) return watchHandle(rules instanceof AccessWatch ? rules : new AccessWatch(rules));
  if (onFinding !== undefined) throw invalid("onFinding without accessRules: there would be nothing to find");
  return undefined;
}

function burst(given: AccessBurst | undefined, what: string): Wire | undefined {
  if (given === undefined) return undefined;
  const { count, windowMillis, ...unknown } = given ?? {};
  refuseUnknown(unknown, what);
  return {
    count: wholeNumber(count, `the count of ${what}`),
    window_millis: wholeNumber(windowMillis, `the windowMillis of ${what}`),
  };
}

/** What the core told. */
export function accessFinding({ rule, actor, namespace, name, count, since, at }: Wire): AccessFinding {
  const of = { namespace: namespace ?? undefined, name: name ?? undefined, since: date(since), at: date(at) };
  return { rule, actor, count, ...of } as AccessFinding;
}
