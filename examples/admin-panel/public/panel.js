/** The panel: who is signed in, whether it is unlocked, and when it locks itself. */
import { Backend } from "./backend.js";
import { closeChange } from "./change-dialog.js";
import { clearError, element, find, once, say, showError } from "./element.js";
import { closeHistory } from "./history-dialog.js";
import { clearKeys, filterKeys, loadKeys } from "./keys.js";
import { clearShared, filterShared, loadShared, wireShared } from "./shared.js";
import { hideAll } from "./value-cell.js";
import { VaultClient } from "./vault-client.js";

/** A sign-in. The client is there while the panel is unlocked, and before that the one that is unlocking: it holds the key. */
/** @typedef {{ backend: Backend, token: string, actor: string, client: VaultClient | undefined, unlocking: VaultClient | undefined, keys: string[] }} Session */

const IDLE_MILLIS = 5 * 60_000;
const [signIn, unlockForm] = [find("sign-in", HTMLFormElement), find("unlock", HTMLFormElement)];
const [token, actor] = [find("token", HTMLInputElement), find("actor", HTMLInputElement)];
const [key, filter] = [find("key", HTMLInputElement), find("filter", HTMLInputElement)];

/** @type {Session | undefined} */
let session;
let lastUse = Date.now();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let idle;

async function enter() {
  clearError(find("sign-in-error"));
  const given = { token: taken(token), actor: actor.value.trim() };
  const backend = new Backend(given.token);
  const entering = { ...given, backend, client: undefined, unlocking: undefined, keys: [] };
  try {
    await entering.backend.rows();
  } catch (error) {
    showError(find("sign-in-error"), error);
    token.focus();
    return;
  }
  session = entering;
  showState();
  key.focus();
  await loadAll(entering);
}

async function unlock() {
  if (session === undefined) return;
  const of = session;
  clearError(find("unlock-error"));
  const client = new VaultClient();
  of.unlocking = client;
  watchIdle();
  showState();
  const failed = (/** @type {unknown} */ error) => {
    client.close();
    // Locked meanwhile, or signed out: nobody waits for it.
    if (of.unlocking !== client) return;
    of.unlocking = undefined;
    showState();
    showError(find("unlock-error"), error);
    key.focus();
  };
  const unlocked = await client.call("unlock", taken(key), of.token, of.actor).catch(failed);
  if (unlocked === undefined) return;
  if (of.unlocking !== client) return client.close();
  Object.assign(of, { client, unlocking: undefined, keys: unlocked.keys });
  watchIdle();
  showState();
  say("Unlocked.");
  filter.focus();
  await loadAll(of, unlocked.secrets);
}

/** The worker that has the key, from the moment it is given to it. */
const holder = () => session?.client ?? session?.unlocking;

/** Ends the worker, and with it the keyring and all it opened. @param {string} why */
function lock(why) {
  clearTimeout(idle);
  const client = holder();
  if (session === undefined || client === undefined) return;
  hideAll();
  closeChange();
  closeHistory();
  client.close();
  Object.assign(session, { client: undefined, unlocking: undefined, keys: [] });
  clearKeys();
  clearShared();
  showState();
  say(why);
  key.focus();
  void loadAll(session);
}

function leave() {
  lock("");
  session = undefined;
  for (const input of [token, key, filter]) taken(input);
  clearKeys();
  clearShared();
  clearError(find("unlock-error"));
  showState();
  say("Signed out.");
  token.focus();
}

/** @param {Session} of @param {import("./strongroom-web/wasm/ts/index.js").Listed[]} [secrets] */
function loadAll(of, secrets) {
  return Promise.all([loadKeys(of), loadShared(of, secrets)]);
}

/** What a field holds, which is empty afterwards. @param {HTMLInputElement} field */
function taken(field) {
  const { value } = field;
  field.value = "";
  return value;
}

function showState() {
  const isUnlocked = session?.client !== undefined;
  signIn.hidden = session !== undefined;
  find("panel").hidden = session === undefined;
  find("sign-out").hidden = session === undefined;
  unlockForm.hidden = isUnlocked;
  find("lock").hidden = holder() === undefined;
  const state = find("state");
  state.hidden = session === undefined;
  const word = session?.unlocking === undefined ? "Locked" : "Unlocking";
  state.replaceChildren(element("strong", {}, isUnlocked ? "Unlocked" : word));
  if (isUnlocked) state.append(" with ", element("code", {}, session?.keys.join(", ") ?? ""));
  if (session !== undefined) state.append(" · ", element("bdi", {}, session.actor));
}

/** What somebody does puts locking off, unless its time has come already. */
function used() {
  lockWhenIdle();
  watchIdle();
}

/** Starts the time anew after which a panel that has a key locks itself. */
function watchIdle() {
  lastUse = Date.now();
  clearTimeout(idle);
  if (holder() !== undefined) idle = setTimeout(lockWhenIdle, IDLE_MILLIS);
}

/** Timers stand still while a computer sleeps; the clock does not. */
function lockWhenIdle() {
  if (Date.now() - lastUse >= IDLE_MILLIS) lock("Locked, after 5 minutes without use.");
}

/** @param {HTMLFormElement} form @param {() => Promise<void>} action */
function onSubmit(form, action) {
  const submit = /** @type {HTMLButtonElement} */ (form.querySelector("[type=submit]"));
  submit.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void once(submit, action);
  });
}

onSubmit(signIn, enter);
onSubmit(unlockForm, unlock);
wireShared(() => /** @type {Session} */ (session));
find("lock").addEventListener("click", () => lock("Locked."));
find("sign-out").addEventListener("click", leave);
for (const [id, load] of /** @type {const} */ ([
  ["keys-refresh", loadKeys],
  ["shared-refresh", loadShared],
])) {
  const refresh = find(id);
  refresh.addEventListener("click", () => once(refresh, () => session && load(session)));
}
filter.addEventListener("input", () => {
  filterKeys(filter.value);
  filterShared(filter.value);
});
for (const sign of ["keydown", "pointerdown", "input", "wheel"]) {
  addEventListener(sign, used, { capture: true, passive: true });
}
addEventListener("blur", hideAll);
addEventListener("pagehide", () => session && leave());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hideAll();
  else lockWhenIdle();
});
