/** Messages that hold values where they should not, that can't be deleted, or that come when the store is down. */
import assert from "node:assert/strict";
import { MemoryStore } from "strongroom";
import { EVE } from "./telegram.mjs";
import {
  ADA_ACTOR,
  answered,
  asked,
  DELETED,
  deletion,
  idIn,
  NOT_DELETED,
  scenario,
  sent,
} from "./world.mjs";

const NAME = "STRIPE_API_KEY";
const NO_COMMAND = "I take commands as new text messages only: no edits, captions or files.";
const FAILED =
  "That failed on my side, and I can't tell whether it was done: look at `secret list` or `secret audit <name>` before you try again. My log says what happened.";

for (const as of ["private-edited-text", "private-photo-caption", "private-edited-caption"]) {
  for (const from of [undefined, EVE]) {
    const who = from === undefined ? "" : ", from a stranger";
    scenario(`no command, and deleted: ${as}${who}`, async (world) => {
      const { telegram } = world;
      const text = `secret set ${NAME} ${world.canaries.make()}`;
      const calls = await telegram.send(text, from === undefined ? { as } : { as, from });
      assert.deepEqual(calls, [
        deletion(telegram.updates.at(-1)),
        sent(`${NO_COMMAND}${DELETED.replace("\n\n", "\n")}`, {}, from?.id),
      ]);
      assert.equal(await world.vault.exists(NAME, { actor: ADA_ACTOR }), false);
    });
  }
}

scenario("a file is deleted: it may be one of values", async (world) => {
  const { telegram } = world;
  const calls = await telegram.send(undefined, { as: "private-document" });
  assert.deepEqual(calls, [
    deletion(telegram.updates.at(-1)),
    sent(`${NO_COMMAND}${DELETED.replace("\n\n", "\n")}`),
  ]);
});

scenario("what can hold no value is left alone", async (world) => {
  assert.deepEqual(await world.telegram.send(undefined, { as: "private-location" }), []);
});

scenario(
  "a message that can't be deleted is said to be still there, and the command still counts",
  async (world) => {
    const { telegram } = world;
    const value = world.canaries.make("sk_test_");
    telegram.refuseNext("deleteMessage", 400, "Bad Request: message can't be deleted for everyone");
    const calls = await telegram.send(`secret set ${NAME} ${value}`);
    const id = idIn(calls.at(-1));
    assert.deepEqual(calls, [
      deletion(telegram.updates.at(-1)),
      asked(`Set ${NAME} to sk_t****?`, id, NOT_DELETED),
    ]);
    assert.deepEqual(world.logged, [
      "deleteMessage failed: Telegram refused deleteMessage: 400 Bad Request: message can't be deleted for everyone",
    ]);
    await telegram.send(`secret confirm ${id}`);
    assert.equal(await world.value(NAME), value);
  },
);

scenario("an answer that Telegram refuses is logged without the words of anybody", async (world) => {
  const { telegram } = world;
  telegram.refuseNext("sendMessage", 403, "Forbidden: bot was blocked by the user");
  const calls = await telegram.send(`secret set ${NAME} ${world.canaries.make()}`);
  assert.deepEqual(
    calls.map(({ method }) => method),
    ["deleteMessage", "sendMessage"],
  );
  assert.equal(world.logged.length, 1);
  assert.match(
    world.logged[0] ?? "",
    /^update \d+: Telegram refused sendMessage: 403 Forbidden: bot was blocked by the user$/,
  );
});

/** A store that can be switched off. */
class Unreliable extends MemoryStore {
  isDown = false;

  /** @override @param {import("strongroom").RecordKey[]} keys */
  load(keys) {
    if (this.isDown) throw new Error("disk I/O error");
    return super.load(keys);
  }
}

const store = new Unreliable();

scenario(
  "when the store is down, values still leave the chat, and buttons stay for later",
  async (world) => {
    const { telegram } = world;
    const value = world.canaries.make();
    const proposal = /** @type {any} */ ((await telegram.send(`secret set ${NAME} ${value}`)).at(-1));

    store.isDown = true;
    const text = `secret set OTHER ${world.canaries.make()}`;
    assert.deepEqual(await telegram.send(text), [deletion(telegram.updates.at(-1)), sent(FAILED + DELETED)]);
    assert.deepEqual(await telegram.press(proposal, "Confirm"), [answered(telegram, FAILED)]);
    assert.equal(world.logged.length, 2);
    for (const line of world.logged) {
      assert.match(line, /^command failed: STORAGE_FAILED: .* \(disk I\/O error\)$/);
    }

    store.isDown = false;
    await telegram.press(proposal, "Confirm");
    assert.equal(await world.value(NAME), value);
  },
  { store },
);
