/**
 * For tests of stores: `import { checkStore } from "strongroom-web/testing"`. The kit is a module of its own, which loads
 * itself: pages that keep secrets have no use for it.
 */
import { type CheckStore, checkStoreBy } from "../../bindings/js/testing.js";
import load, * as native from "../pkg-testing/strongroom_wasm.js";

export { type CheckStore, StoreContractError, type StoreFailure } from "../../bindings/js/testing.js";

/** Puts a store to the test: see `CheckStore`. */
export const checkStore: CheckStore = async (store) => {
  await load();
  return await checkStoreBy(() => native.beginStoreCheck(), store);
};
