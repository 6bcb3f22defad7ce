/** Shared secrets: the vault over the backend's store. Locked, only their names are known. */
import { openChange } from "./change-dialog.js";
import {
  button,
  clearError,
  element,
  find,
  foreign,
  nameOf,
  once,
  showError,
  tableRow,
  time,
} from "./element.js";
import { openHistory } from "./history-dialog.js";
import { TableSection } from "./table-section.js";
import { ValueCell } from "./value-cell.js";

/** @typedef {import("./panel.js").Session} Session */
/** @typedef {import("./strongroom-web/wasm/ts/index.js").Listed} Listed */
/** @typedef {import("./vault-worker.js").Slot} Slot */

const section = new TableSection("shared", "No secret is shared yet.");
const [set, history] = [find("set", HTMLButtonElement), find("history-all", HTMLButtonElement)];
const verify = find("verify", HTMLButtonElement);

/** @param {Session} session @param {Listed[]} [known] What was listed just now. */
export function loadShared(session, known) {
  const { client } = session;
  for (const each of [set, history, verify]) each.disabled = client === undefined;
  let listed = known;
  return section.load(async () => {
    if (client === undefined) return (await session.backend.names()).map(lockedLine);
    const secrets = listed ?? (await client.call("list"));
    listed = undefined;
    return secrets.map((secret) => line(session, secret));
  });
}

export function clearShared() {
  section.clear();
  forgetReport();
}

/** @param {string} text */
export const filterShared = (text) => section.filter(text);

/** @param {() => Session} current */
export function wireShared(current) {
  set.addEventListener("click", () => change(current(), "set"));
  history.addEventListener("click", () => openHistory(current()));
  verify.addEventListener("click", () => once(verify, () => verifyAudit(current())));
}

/** @param {Slot} slot */
function lockedLine(slot) {
  const quiet = (/** @type {string} */ text) => element("span", { class: "quiet" }, text);
  return {
    text: nameOf(slot),
    row: tableRow([
      ["Name", foreign(nameOf(slot))],
      ["Version", quiet("–")],
      ["Last rotated", quiet("–")],
      ["Reads", quiet("–")],
      ["Created by", quiet("–")],
      ["Value", quiet("locked")],
      ["", ""],
    ]),
  };
}

/** @param {Session} session @param {Listed} secret */
function line(session, secret) {
  const name = nameOf(secret);
  const { client } = session;
  const read = async () => {
    if (client === undefined) throw new TypeError("a locked panel reads nothing");
    return client.call("read", { namespace: secret.namespace, name: secret.name });
  };
  const value = new ValueCell(name, read);
  const actions = element("div", { class: "actions" }, value.reveal, value.copy);
  actions.append(
    button("Rotate", `Rotate ${name}`, () => change(session, "rotate", secret)),
    button("History", `History of ${name}`, () => openHistory(session, secret)),
    button("Delete", `Delete ${name}`, () => change(session, "delete", secret)),
  );
  const shown = element("span", {}, foreign(name));
  if (secret.state === "disabled") shown.append(" ", element("span", { class: "badge warn" }, "disabled"));
  return {
    text: `${name} ${secret.createdBy ?? ""}`,
    row: tableRow([
      ["Name", shown],
      ["Version", String(secret.version)],
      ["Last rotated", time(secret.lastRotated, "unknown")],
      ["Reads", String(secret.accessedCount)],
      ["Created by", foreign(secret.createdBy ?? "unknown")],
      ["Value", value.shown],
      ["", actions],
    ]),
  };
}

/** @param {Session} session @param {import("./vault-worker.js").Change} kind @param {Slot} [slot] */
function change(session, kind, slot) {
  forgetReport();
  openChange(session, kind, slot, () => loadShared(session));
}

/** @param {Session} session */
async function verifyAudit({ client }) {
  forgetReport();
  const verified = find("verified");
  try {
    const report = await client?.call("verifyAudit");
    if (report === undefined) return;
    const counted = `${counts(report.events, "event")} in ${counts(report.streams, "stream")}`;
    const old =
      report.unchained === 0 ? "" : `, and ${counts(report.unchained, "old event")} outside the chain`;
    verified.textContent = `The history is whole: ${counted}${old}, of the vault ${report.vaultId}.`;
    verified.hidden = false;
  } catch (error) {
    showError(find("verify-error"), error);
  }
}

/** @param {number} number @param {string} thing */
const counts = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

/** What was verified before says nothing of what came after. */
function forgetReport() {
  find("verified").hidden = true;
  clearError(find("verify-error"));
}
