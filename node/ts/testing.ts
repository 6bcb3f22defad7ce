/** For tests of stores: `import { checkStore } from "strongroom/testing"`. */
import "./index.js";

export { checkStore, StoreContractError, type StoreFailure } from "../../bindings/js/testing.js";
