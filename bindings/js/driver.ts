/** The run loop: a session asks, the store answers, until the session is done. */
import type { Answer, Request, Store } from "./contract.js";
import type { ErrorCode } from "./error-codes.js";
import { guarded, StrongroomError } from "./errors.js";
import type { NativeSecret, NativeSession } from "./native.js";

type StepTaken =
  | { ask: { number: number; request: Request } }
  | { done: unknown }
  | { failed: { code: ErrorCode; message: string } };

/** What an operation came to: what is told of it, and the value if it gave one. */
export interface Outcome {
  told: unknown;
  secret: NativeSecret | undefined;
}

/** Drives a session to its end and closes it, however it ends. */
export async function drive(session: NativeSession, store: Store, operation: string): Promise<Outcome> {
  let reply: string | undefined;
  let cause: unknown;
  try {
    for (;;) {
      const json = guarded(() => session.step(Date.now(), reply), operation);
      const step = JSON.parse(json) as StepTaken;
      if ("done" in step) return { told: step.done, secret: session.takeSecret() ?? undefined };
      if ("failed" in step) {
        const { code, message } = step.failed;
        throw new StrongroomError(code, message, {
          operation,
          cause: code === "STORAGE_FAILED" ? cause : undefined,
        });
      }
      const { number, request } = step.ask;
      try {
        // Inside: what a store gave may not even be JSON.
        reply = JSON.stringify({ number, answer: await answered(request, store) });
      } catch (thrown) {
        cause = thrown;
        reply = JSON.stringify({ number, answer: { failed: { applied: "unknown" } } satisfies Answer });
      }
    }
  } finally {
    session.close();
  }
}

async function answered(request: Request, store: Store): Promise<Answer> {
  if ("load" in request) return { load: { records: await store.load(request.load.keys) } };
  if ("list" in request) return { list: await store.list(request.list.query, request.list.cursor) };
  if ("events" in request) return { events: await store.events(request.events.query, request.events.cursor) };
  if ("commit" in request) {
    const answer = await store.commit(request.commit.change_set);
    return answer === "failed" ? { failed: { applied: "no" } } : { commit: answer };
  }
  await new Promise((resolve) => setTimeout(resolve, request.wait.millis));
  return { wait: {} };
}
