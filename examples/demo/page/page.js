/** Decrypts a value in the page: neither key nor value leaves it. */
import { init, Keyring, mask } from "../../../wasm/lib/wasm/ts/index.js";

const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const output = /** @type {HTMLOutputElement} */ (document.querySelector("output"));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const field = (/** @type {string} */ name) => String(fields.get(name) ?? "");
  try {
    await init();
    const value = Keyring.parse(field("key")).decrypt(field("token"), { associatedData: field("boundTo") });
    output.value = mask(value);
    // For the demo, which compares it with what the bot encrypted. A real page uses the value and lets it go.
    Object.assign(globalThis, { decrypted: value });
  } catch (error) {
    output.value = error instanceof Error ? error.message : "Something was thrown.";
  }
});
