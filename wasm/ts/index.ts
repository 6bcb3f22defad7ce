export { default, version } from "../pkg/strongroom_wasm.js";
