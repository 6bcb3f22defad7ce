/** The conformance kit: it tells the author of a store whether it keeps the storage contract. */
import { invalid } from "./arguments.js";
import type { Store } from "./contract.js";
import { drive } from "./driver.js";
import { guarded } from "./errors.js";
import type { NativeSession } from "./native.js";

/** What a check found to be wrong. */
export interface StoreFailure {
  /** The name of the check. */
  readonly check: string;
  /** What the store did that it must not do, in one line. */
  readonly says: string;
}

/** Thrown for a store that breaks the contract. Its message has a line for each failure. */
export class StoreContractError extends Error {
  override readonly name = "StoreContractError";
  readonly failures: readonly StoreFailure[];
  /** The names of the checks that the store passed all the same. */
  readonly passed: readonly string[];

  constructor(failures: readonly StoreFailure[], passed: readonly string[]) {
    const lines = failures.map(({ check, says }) => `${check}: ${says}`);
    super(["the store breaks the storage contract:", ...lines].join("\n  "));
    this.failures = failures;
    this.passed = passed;
  }
}

/**
 * Puts a store to the test and gives the names of the checks that it passed. It must be empty, and holds rows of the
 * test afterwards: never give it one that is in use.
 *
 * Throws `StoreContractError` with what is wrong; `STORAGE_FAILED`, with the store's own error as its cause, when the
 * store throws or gives an answer of another shape; `INVALID_ARGUMENT` when it is not empty.
 *
 * What it can't see: whether writers get in each other's way, and whether a `load` of several records sees one state.
 *
 * @example
 * await checkStore(new MyStore());
 */
export type CheckStore = (store: Store) => Promise<string[]>;

/** The kit over a package's native part. */
export async function checkStoreBy(begin: () => NativeSession, store: Store): Promise<string[]> {
  for (const callback of ["load", "list", "commit", "events"] as const) {
    if (typeof store?.[callback] !== "function") throw invalid(`the store has no method ${callback}`);
  }
  const session = guarded(begin);
  const { told } = await drive(session, { store }, "check_store");
  const { passed, failures } = told as { passed: string[]; failures: StoreFailure[] };
  if (failures.length > 0) throw new StoreContractError(failures, passed);
  return passed;
}
