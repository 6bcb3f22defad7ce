/** For tests of stores: `import { checkStore } from "strongroom/testing"`. */
import { type CheckStore, checkStoreBy } from "../../bindings/js/testing.js";
import { native } from "./native.js";

export { type CheckStore, StoreContractError, type StoreFailure } from "../../bindings/js/testing.js";

/** Puts a store to the test: see `CheckStore`. */
export const checkStore: CheckStore = (store) => checkStoreBy(() => native.beginStoreCheck(), store);
