/** What the platform has besides a store: an environment and files in Node, neither in a browser. */
import { invalid } from "./arguments.js";
import type { ReadEnv, ReadFile, VaultOptions } from "./options.js";

export interface Surroundings {
  env?: ReadEnv | undefined;
  file?: ReadFile | undefined;
}

let own: Surroundings = {};

/** Called once by the entry of a package that has them. */
export function surroundedBy(surroundings: Surroundings): void {
  own = surroundings;
}

/** The vault's, where it is told; the platform's otherwise. */
export function surroundings({
  readEnv,
  readFile,
}: Pick<VaultOptions, "readEnv" | "readFile">): Surroundings {
  if ([readEnv, readFile].some((read) => read != null && typeof read !== "function"))
    throw invalid("readEnv and readFile are functions, or null");
  return {
    env: readEnv === undefined ? own.env : (readEnv ?? undefined),
    file: readFile === undefined ? own.file : (readFile ?? undefined),
  };
}
