/**
 * Export and import in the browser: `import { initArchives } from "strongroom-web/archive"`. What makes and opens age files
 * is a module of its own, for pages that need it; between the two modules an archive crosses as bytes, which are wiped.
 *
 * @example
 * await initArchives();
 * const file = await vault.export({ actor: "alice", passphrase: "correct horse battery staple" });
 */
import { sealedBy } from "../../bindings/js/archives.js";
import load, * as native from "../pkg-archive/strongroom_wasm.js";
import type { ModuleSource } from "./index.js";

let loading: Promise<void> | undefined;

/** Loads the module, from beside this file unless told otherwise; after a load that failed it tries anew. */
export function initArchives(source?: ModuleSource | Promise<ModuleSource>): Promise<void> {
  loading ??= load(source === undefined ? undefined : { module_or_path: source }).then(
    () => sealedBy({ seal: native.sealArchive, open: native.openArchive }),
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}
