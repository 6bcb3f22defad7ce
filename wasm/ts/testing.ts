/** For tests of stores, after `await init()`: `import { checkStore } from "strongroom-web/testing"`. */
export { checkStore, StoreContractError, type StoreFailure } from "../../bindings/js/testing.js";
