/** The errors of strongroom, the same in Node and in the browser. */
import { ERROR_CODES, type ErrorCode } from "./error-codes.js";

export { ERROR_CODES, type ErrorCode };

/**
 * What every failing call throws. `code` says which failure it is; `message` what was wrong and what to do next, and
 * never a secret; `cause` is the store's own exception, where there is one.
 */
export class StrongroomError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "StrongroomError";
  /** The stable code. */
  readonly code: C;
  /** The number of the code, such as 6 for `PERMISSION_DENIED`. */
  readonly number: number;
  /** Whether the same call may succeed when it is simply made again. */
  readonly retryable: boolean;
  /** The operation of the vault that failed, such as `get`. */
  readonly operation: string | undefined;

  constructor(code: C, message: string, options: { operation?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.number = ERROR_CODES[code].number;
    this.retryable = ERROR_CODES[code].retryable;
    this.operation = options.operation;
  }
}

/**
 * Thrown by the `commit` of a store that knows that nothing was applied: the vault gives up, and does not ask again. Its
 * `cause`, or itself where it has none, is the cause of the `STORAGE_FAILED`. It is believed the first time that a change
 * set is asked for: after a throw that left it open, it can only speak for the last time.
 */
export class NothingAppliedError extends Error {
  override readonly name = "NothingAppliedError";
}

/** Any error of strongroom, to be told apart by its `code`. */
export type AnyStrongroomError = { [C in ErrorCode]: StrongroomError<C> }[ErrorCode];

/**
 * Whether something that was thrown is an error of strongroom, and of that code if one is given.
 *
 * @example
 * try { await vault.get("A", { actor }) } catch (error) {
 *   if (!isStrongroomError(error, "SECRET_NOT_FOUND")) throw error;
 * }
 */
export function isStrongroomError(error: unknown): error is AnyStrongroomError;
export function isStrongroomError<C extends ErrorCode>(error: unknown, code: C): error is StrongroomError<C>;
export function isStrongroomError(error: unknown, code?: ErrorCode): boolean {
  return error instanceof StrongroomError && (code === undefined || error.code === code);
}

/** What the native part throws carries a code; anything else is a bug of somebody's and passes through. */
export function translated(error: unknown, operation?: string): unknown {
  if (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code in ERROR_CODES
  ) {
    return new StrongroomError(error.code as ErrorCode, error.message, { operation });
  }
  return error;
}

/** Runs something native and throws its errors as strongroom's. */
export function guarded<T>(run: () => T, operation?: string): T {
  try {
    return run();
  } catch (error) {
    throw translated(error, operation);
  }
}
