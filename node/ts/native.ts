/**
 * Finds and loads the native part.
 *
 * Beside the package in the source tree, where the build puts it; else in the platform's own npm package, which npm
 * installs as an optional dependency of this one.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Native, NativeKeyring, NativeSecret, NativeSession } from "../../bindings/js/native.js";

/** A vault in a file. Errors of the file stand in the answer. */
export interface NativeFile {
  answer(request: string): Promise<string>;
  backup(to: string, replace: boolean): Promise<string>;
}

/** What the native part exports here besides what it offers everywhere. */
export interface NodeNative extends Native {
  beginStoreCheck(): NativeSession;
  keyringFromEnvironmentValues(key?: string, keyFile?: string): NativeKeyring;
  signingKeyFromEnvironmentValues(name: string, key?: string, keyFile?: string): NativeSecret;
  makeFile(path: string, limit?: number, lockTimeoutMillis?: number): NativeFile;
  sqliteStatements(): string;
  sqlitePlan(request: string): string;
  sqlitePlanOpening(inspection: string, version?: number): string;
  postgresStatements(schema: string): string;
  postgresPlanOpening(schema: string, inspection: string, version?: number): string;
}

export const native: NodeNative = load();

function load(): NodeNative {
  const platform = platformName();
  const require = createRequire(import.meta.url);
  // Seen from lib/node/ts, where this module runs.
  const beside = fileURLToPath(new URL(`../../../strongroom.${platform}.node`, import.meta.url));
  if (existsSync(beside)) return require(beside) as NodeNative;
  try {
    return require(`strongroom-${platform}`) as NodeNative;
  } catch (cause) {
    throw new Error(
      `strongroom has no native part for ${platform}: install the package strongroom-${platform} beside it (npm leaves it out with --omit=optional), or use strongroom-web`,
      { cause },
    );
  }
}

/** As in the names of the platform packages: `linux-x64-gnu`, `darwin-arm64`. */
function platformName(): string {
  const { platform, arch } = process;
  if (platform !== "linux") return `${platform}-${arch}`;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return `${platform}-${arch}-${report.header?.glibcVersionRuntime === undefined ? "musl" : "gnu"}`;
}
