/** A change of a shared secret, in two steps: proposed to the vault, then confirmed. */
import { PanelError } from "./backend.js";
import { clearError, find, foreign, nameOf, once, say, showError, time } from "./element.js";

/** @typedef {import("./panel.js").Session} Session */
/** @typedef {import("./vault-worker.js").Change} Change */
/** @typedef {import("./vault-worker.js").Slot} Slot */
/** @typedef {import("./strongroom-web/wasm/ts/index.js").Proposed} Proposed */
/** @typedef {{ client: NonNullable<Session["client"]>, change: Change, slot: Slot | undefined, done: () => unknown, proposed?: Proposed | undefined }} Open */

const WORDS = /** @type {const} */ ({
  set: { title: "Set a secret", confirm: "Set it", done: "Set" },
  rotate: { title: "Rotate", confirm: "Rotate it", done: "Rotated" },
  delete: { title: "Delete", confirm: "Delete it", done: "Deleted" },
});

/** After these a proposal can't be confirmed any more: the first step comes again. */
const GONE = new Set(["CONFIRMATION_NOT_FOUND", "CONFIRMATION_EXPIRED", "CHANGED_SINCE_PROPOSED"]);

const dialog = find("change", HTMLDialogElement);
const [name, value] = [find("change-name", HTMLInputElement), find("change-value", HTMLInputElement)];
const [go, summary, error] = [
  find("change-go", HTMLButtonElement),
  find("change-summary"),
  find("change-error"),
];

/** @type {Open | undefined} */
let open;

/** Asks for what is missing. @param {Session} session @param {Change} change @param {Slot | undefined} slot @param {() => unknown} done */
export function openChange({ client }, change, slot, done) {
  if (client === undefined) return;
  open = { client, change, slot, done };
  find("change-title").replaceChildren(WORDS[change].title, ...(slot ? [" ", foreign(nameOf(slot))] : []));
  find("change-slot").hidden = slot !== undefined;
  name.required = slot === undefined;
  name.value = "";
  showStep();
  dialog.showModal();
  if (change === "delete") void once(go, propose);
}

/** Closes it. A proposal that was not confirmed is withdrawn, unless the panel was locked: then it expires. */
export function closeChange() {
  value.value = "";
  open = undefined;
  dialog.close();
}

/** Shows the step that comes next, and the fields of the first. */
function showStep() {
  const { change, proposed } = /** @type {Open} */ (open);
  const asks = proposed === undefined && change !== "delete";
  find("change-fields").hidden = !asks;
  value.required = asks;
  value.value = "";
  go.textContent = proposed === undefined ? "Continue" : WORDS[change].confirm;
  go.classList.toggle("danger", change === "delete");
  summary.replaceChildren(...(proposed === undefined ? [] : described(proposed)));
  clearError(error);
}

/** @param {Proposed} proposed @returns {(string | Node)[]} */
function described({ change, namespace, name, masked, exists, expiresAt }) {
  const slot = foreign(nameOf({ namespace, name }));
  const until = [" Confirm until ", time(expiresAt), "."];
  if (change === "delete")
    return ["Delete ", slot, "? Its values are gone then; its history stays.", ...until];
  const effect = exists ? " It replaces the current value." : " It is a new secret.";
  return ["Set ", slot, ` to ${masked}?`, effect, ...until];
}

async function propose() {
  if (open === undefined) return;
  const asked = open;
  const { client, change } = asked;
  const slot = asked.slot ?? { namespace: "default", name: name.value };
  const given = value.value;
  await attempt(async () => {
    const proposed = await client.call(
      "propose",
      change,
      { namespace: slot.namespace, name: slot.name },
      given,
    );
    if (open !== asked) return withdraw(client, proposed);
    open.proposed = proposed;
    showStep();
    go.focus();
  });
}

async function confirm() {
  if (open?.proposed === undefined) return;
  const asked = open;
  const { client, change, done, proposed } = open;
  await attempt(async () => {
    await client.call("confirm", /** @type {Proposed} */ (proposed).id);
    if (open === asked) closeChange();
    say(`${WORDS[change].done}: ${nameOf(/** @type {Proposed} */ (proposed))}.`);
    await done();
  });
}

/** Does it, and shows in the dialog what went wrong: the same button tries again. @param {() => Promise<void>} act */
async function attempt(act) {
  const asked = open;
  clearError(error);
  try {
    await act();
  } catch (failed) {
    if (open === undefined || open !== asked) return;
    if (failed instanceof PanelError && GONE.has(failed.code)) {
      open.proposed = undefined;
      showStep();
    }
    showError(error, failed);
  }
}

/** @param {Open["client"]} client @param {Proposed} proposed */
async function withdraw(client, { id }) {
  // It has no effect unless somebody confirms it, and expires by itself.
  await client.call("cancel", id).catch(() => undefined);
}

function cancel() {
  const left = open;
  closeChange();
  if (left?.proposed === undefined) return;
  say("Cancelled: nothing was changed.");
  void withdraw(left.client, left.proposed);
}

dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  cancel();
});
find("change-cancel").addEventListener("click", cancel);
dialog.querySelector("form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  void once(go, open?.proposed === undefined ? propose : confirm);
});
