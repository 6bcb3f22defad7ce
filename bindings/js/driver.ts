/** The run loop: a session asks, the host answers, until the session is done. */
import { accessFinding, type OnFinding } from "./access.js";
import { invalid } from "./arguments.js";
import type { Answer, Request, Store, StoredEvent, StoreRequest } from "./contract.js";
import type { ErrorCode } from "./error-codes.js";
import { guarded, NothingAppliedError, StrongroomError, translated } from "./errors.js";
import type { NativeSecret, NativeSession, Text } from "./native.js";
import type { OnEvent, ReadEnv, ReadFile, Rotator } from "./options.js";
import { handleOf, Secret } from "./secret.js";
import { auditEvent, type Wire } from "./wire.js";

type StepTaken = { committed?: StoredEvent[]; findings?: Wire[] } & (
  | { ask: { number: number; request: Request } }
  | { done: unknown }
  | { failed: { code: ErrorCode; message: string } }
);

/** What sessions ask: a store, and what else there is. What is absent is unsupported. */
export interface Host {
  store: Store;
  rotator?: Rotator | undefined;
  env?: ReadEnv | undefined;
  file?: ReadFile | undefined;
  onEvent?: OnEvent | undefined;
  onFinding?: OnFinding | undefined;
  /** The store that the vault is copied to. */
  target?: Store | undefined;
}

/** What an operation came to: what is told of it, and the values that it gave, in the order in which it tells of them. */
export interface Outcome {
  told: unknown;
  secrets: NativeSecret[];
}

/** What hosts threw last, by the error that it is the cause of: a file's is none of a failing store. */
type Causes = Partial<Record<ErrorCode, unknown>>;

/** Drives a session to its end and closes it, however it ends. */
export async function drive(session: NativeSession, host: Host, operation: string): Promise<Outcome> {
  let reply: string | undefined;
  const causes: Causes = {};
  try {
    for (;;) {
      const json = await stepped(session, reply, operation);
      const step = JSON.parse(json) as StepTaken;
      for (const event of step.committed ?? [])
        await told("onEvent", () => host.onEvent?.(auditEvent(event as Wire)));
      for (const found of step.findings ?? [])
        await told("onFinding", () => host.onFinding?.(accessFinding(found)));
      if ("done" in step) return { told: step.done, secrets: [...taken(session)] };
      if ("failed" in step) {
        const { code, message } = step.failed;
        throw new StrongroomError(code, message, { operation, cause: causes[code] });
      }
      const { number, request } = step.ask;
      try {
        // Inside: what a store gave may not even be JSON.
        reply = JSON.stringify({ number, answer: await answered(request, host, session, causes) });
      } catch (thrown) {
        const isKnown = thrown instanceof NothingAppliedError;
        causes["rotate" in request ? "ROTATION_FAILED" : "STORAGE_FAILED"] = isKnown
          ? (thrown.cause ?? thrown)
          : thrown;
        const applied = isKnown ? "no" : "unknown";
        reply = JSON.stringify({ number, answer: { failed: { applied } } satisfies Answer });
      }
    }
  } finally {
    session.close();
  }
}

/** What a session says next; while it takes long, the event loop goes on. */
async function stepped(
  session: NativeSession,
  reply: string | undefined,
  operation: string,
): Promise<string> {
  try {
    return await (session.stepLong?.(Date.now(), reply) ?? session.step(Date.now(), reply));
  } catch (error) {
    throw translated(error, operation);
  }
}

/** Tells of an event or a finding. What was done is done: a hook that throws is reported, and fails nothing. */
async function told(name: string, hook: () => unknown): Promise<void> {
  try {
    await hook();
  } catch (thrown) {
    const { reportError, process } = globalThis as {
      reportError?: (thrown: unknown) => void;
      process?: { emitWarning(warning: Error): void };
    };
    if (reportError !== undefined) reportError(thrown);
    else process?.emitWarning(new Error(`strongroom: ${name} threw`, { cause: thrown }));
  }
}

function* taken(session: NativeSession): Iterable<NativeSecret> {
  for (let secret = session.takeSecret(); secret != null; secret = session.takeSecret()) yield secret;
}

async function answered(
  request: Request,
  host: Host,
  session: NativeSession,
  causes: Causes,
): Promise<Answer> {
  if ("target" in request)
    return host.target === undefined
      ? { unsupported: {} }
      : await stored(request.target.request, host.target);
  if ("read_env" in request) return await found(request.read_env.names, host.env, session, causes);
  if ("read_file" in request) return await found(request.read_file.paths, host.file, session, causes);
  if ("rotate" in request) return await rotated(request.rotate, host.rotator, session);
  if (!("wait" in request)) return await stored(request, host.store);
  await new Promise((resolve) => setTimeout(resolve, request.wait.millis));
  return { wait: {} };
}

async function stored(request: StoreRequest, store: Store): Promise<Answer> {
  if ("load" in request) return { load: { records: await store.load(request.load.keys) } };
  if ("list" in request) return { list: await store.list(request.list.query, request.list.cursor) };
  if ("events" in request) return { events: await store.events(request.events.query, request.events.cursor) };
  const answer = await store.commit(request.commit.change_set);
  return answer === "failed" ? { failed: { applied: "no" } } : { commit: answer };
}

/** What was found of each; one that can't be read takes nothing from the others. */
async function found(
  asked: string[],
  read: ReadEnv | ReadFile | undefined,
  session: NativeSession,
  causes: Causes,
): Promise<Answer> {
  if (read === undefined) return { unsupported: {} };
  const found: ("given" | "missing" | "failed")[] = [];
  for (const what of asked) {
    try {
      const value = (await read(what)) ?? undefined;
      if (value !== undefined) offer(session, value);
      found.push(value === undefined ? "missing" : "given");
    } catch (thrown) {
      causes.REFERENCE_UNRESOLVED = thrown;
      found.push("failed");
    }
  }
  return { values: { found } };
}

async function rotated(
  { step, ...rotation }: Extract<Request, { rotate: unknown }>["rotate"],
  rotator: Rotator | undefined,
  session: NativeSession,
): Promise<Answer> {
  if (rotator === undefined) return { unsupported: {} };
  if (step === "create") {
    offer(session, await rotator.create(rotation));
    return { values: { found: ["given"] } };
  }
  const handle = session.takeSecret();
  if (handle == null) throw new TypeError("the native part gave no value to activate");
  const value = new Secret(handle);
  try {
    await rotator.activate?.(rotation, value);
  } finally {
    value.wipe();
  }
  return { activated: {} };
}

/** Hands a value over to the session, which has a copy of its own then. */
function offer(session: NativeSession, value: Text | Secret): void {
  if (value === undefined || value === null) throw invalid("the rotator gave no value");
  const secret = value instanceof Secret ? value : Secret.of(value);
  try {
    guarded(() => session.offer(handleOf(secret)));
  } finally {
    secret.wipe();
  }
}
