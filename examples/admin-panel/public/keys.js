/** Users' own keys: rows of the backend's table, each decrypted in the worker. */
import { element, foreign, tableRow, time } from "./element.js";
import { TableSection } from "./table-section.js";
import { ValueCell } from "./value-cell.js";

/** @typedef {import("./backend.js").Row} Row */
/** @typedef {import("./panel.js").Session} Session */
/** @typedef {{ masked?: string, failed?: import("./vault-worker.js").Told }} Opened */

const section = new TableSection("keys", "No user has stored a key yet.");

/** @param {Session} session */
export function loadKeys(session) {
  return section.load(async () => {
    const rows = await session.backend.rows();
    const opened = await session.client?.call("maskRows", rows);
    return rows.map((row, index) => line(session, row, opened?.[index]));
  });
}

export const clearKeys = () => section.clear();

/** @param {string} text */
export const filterKeys = (text) => section.filter(text);

/** @param {Session} session @param {Row} row @param {Opened | undefined} opened */
function line(session, row, opened) {
  const { owner, provider, id } = row;
  const [value, actions] = shownValue(session, row, opened);
  return {
    text: `${owner} ${provider} ${id}`,
    row: tableRow([
      ["Owner", foreign(owner)],
      ["Provider", foreign(provider)],
      ["Created", time(row.created_at, "unknown")],
      ["Last used", time(row.last_used)],
      ["State", stateOf(row.encrypted_key)],
      ["Value", value],
      ["", actions],
    ]),
  };
}

/** @param {Session} session @param {Row} row @param {Opened | undefined} opened @returns {[HTMLElement, HTMLElement]} */
function shownValue({ client }, row, opened) {
  const actions = element("div", { class: "actions" });
  if (client === undefined || opened === undefined) {
    return [element("span", { class: "quiet" }, "locked"), actions];
  }
  if (opened.failed !== undefined) {
    const { code, message } = opened.failed;
    return [
      element("div", { class: "error" }, element("p", {}, element("code", {}, code), " ", message)),
      actions,
    ];
  }
  const what = `the key of ${row.owner} for ${row.provider} (${row.id.slice(0, 8)})`;
  const cell = new ValueCell(what, () => client.call("openRow", row), opened.masked);
  actions.append(cell.reveal, cell.copy);
  return [cell.shown, actions];
}

/** What can be seen without a key. @param {string} token */
function stateOf(token) {
  if (token.startsWith("sr1.")) {
    const id = element("code", { class: "quiet", title: "the key that sealed it" }, sealedBy(token));
    return element("span", {}, element("span", { class: "badge good" }, "sealed"), " ", id);
  }
  if (token.startsWith("gAAAA")) {
    const title =
      "Fernet: the value is not bound to its row. MIGRATE_FERNET=1 brings it over when it is used.";
    return element("span", { class: "badge warn", title }, "old format");
  }
  return element("span", { class: "badge bad" }, "unknown format");
}

/** The first 8 hex digits of the id of the key: the first bytes of a sealed value. @param {string} token */
function sealedBy(token) {
  const start = token.slice(4, 12).replaceAll("-", "+").replaceAll("_", "/");
  try {
    const bytes = [...atob(start)]
      .slice(0, 4)
      .map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
    return bytes.join("");
  } catch {
    return "";
  }
}
