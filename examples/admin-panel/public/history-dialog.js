/** The history of a shared secret, or of the whole vault: what the vault's audit tells. */
import { element, find, foreign, nameOf, tableRow, time } from "./element.js";
import { TableSection } from "./table-section.js";

/** @typedef {import("./panel.js").Session} Session */
/** @typedef {import("./vault-worker.js").Slot} Slot */

const dialog = find("history", HTMLDialogElement);
const section = new TableSection("history", "Nothing has happened yet.");
const UNCHAINED =
  "Nothing vouches for this event: it is older than the vault, or forged. Verify audit tells which.";

/** @param {Session} session @param {Slot} [slot] The whole vault without one. */
export function openHistory({ client }, slot) {
  if (client === undefined) return;
  const asked = slot === undefined ? [] : [{ namespace: slot.namespace, name: slot.name }];
  const title = slot === undefined ? "the vault" : nameOf(slot);
  find("history-title").replaceChildren("History of ", foreign(title), ", latest first");
  section.clear();
  dialog.showModal();
  void section.load(async () => {
    const events = await client.call("audit", .../** @type {[Slot?]} */ (asked));
    return events.map((event) => ({ text: "", row: eventRow(event) }));
  });
}

export function closeHistory() {
  dialog.close();
  section.clear();
}

find("history-close").addEventListener("click", closeHistory);

/** @param {import("./strongroom-web/wasm/ts/index.js").AuditEvent} event */
function eventRow(event) {
  const who = event.platform === undefined ? event.actor : `${event.actor} (${event.platform})`;
  const name =
    event.name === undefined ? "–" : nameOf({ namespace: event.namespace ?? "default", name: event.name });
  // INVARIANT: what has a stream was checked by the vault; what has none, anybody who can write to the store can have written.
  const isChained = event.stream !== undefined;
  const kind = event.outcome === "success" ? "badge good" : "badge bad";
  const outcome = element(
    "span",
    { class: isChained ? kind : "badge" },
    event.outcome ?? (event.success ? "success" : "error"),
  );
  const told = [outcome];
  if (event.code !== undefined) told.push(element("code", {}, event.code));
  if (!isChained) told.push(element("span", { class: "badge warn", title: UNCHAINED }, "outside the chain"));
  return tableRow([
    ["When", time(event.at, "unknown")],
    ["What", foreign(event.action ?? "unknown")],
    ["Secret", foreign(name)],
    ["Who", foreign(who ?? "unknown")],
    ["Outcome", element("span", {}, ...told.flatMap((each) => [each, " "]))],
  ]);
}
