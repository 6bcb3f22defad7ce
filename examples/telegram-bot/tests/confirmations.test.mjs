/** What can come between a proposal and its confirmation. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { SqliteStore } from "strongroom/sqlite";
import { ADA, EVE } from "./telegram.mjs";
import { ADA_ACTOR, answered, idIn, scenario, sent, settled } from "./world.mjs";

const NAME = "STRIPE_API_KEY";
const MISMATCH = "only the one who proposed a change can confirm or cancel it, on the same platform";
const LATE = "the proposal was not confirmed in time: propose the change again";

/** @param {import("./world.mjs").World} world @param {string} text */
async function propose(world, text) {
  return /** @type {import("./world.mjs").Call} */ ((await world.telegram.send(text)).at(-1));
}

scenario(
  "an expired confirmation changes nothing and loses its buttons",
  async (world) => {
    const { telegram } = world;
    const proposal = await propose(world, `secret set ${NAME} ${world.canaries.make()}`);
    await wait(10);
    assert.deepEqual(await telegram.press(proposal, "Confirm"), settled(telegram, proposal, LATE));
    assert.deepEqual(await telegram.send(`secret confirm ${idIn(proposal)}`), [sent(LATE)]);
    assert.equal(await world.vault.exists(NAME, { actor: ADA_ACTOR }), false);
  },
  { proposalMillis: 1 },
);

scenario(
  "another allowed user's press changes nothing, and leaves the buttons to their owner",
  async (world) => {
    const { telegram } = world;
    const value = world.canaries.make();
    const proposal = await propose(world, `secret set ${NAME} ${value}`);
    for (const label of ["Confirm", "Cancel"]) {
      const calls = await telegram.press(proposal, label, { from: EVE });
      assert.deepEqual(calls, [answered(telegram, MISMATCH)]);
    }
    assert.deepEqual(await telegram.send(`secret confirm ${idIn(proposal)}`, { from: EVE }), [
      sent(MISMATCH, {}, EVE.id),
    ]);
    const [denied] = await world.latest(1);
    const { action, actor, outcome, code } = denied ?? {};
    const expected = ["confirm", String(EVE.id), "denied", "CONFIRMATION_MISMATCH"];
    assert.deepEqual([action, actor, outcome, code], expected);

    const pressed = await telegram.press(proposal, "Confirm");
    assert.deepEqual(pressed, settled(telegram, proposal, `${NAME} is stored.`));
    assert.equal(await world.value(NAME), value);
  },
  { allowed: [String(ADA.id), String(EVE.id)] },
);

scenario("a double press does once what it says, and tells nobody of an error", async (world) => {
  const { telegram } = world;
  await world.given(NAME);
  const proposal = await propose(world, `secret rotate ${NAME} ${world.canaries.make()}`);
  const words = `${NAME} is rotated (version 2).`;
  assert.deepEqual(await telegram.press(proposal, "Confirm"), settled(telegram, proposal, words));
  // Telegram refuses the second edit, since it changes nothing.
  assert.deepEqual(await telegram.press(proposal, "Confirm"), settled(telegram, proposal, words));
  assert.deepEqual(world.logged, []);
  assert.equal((await world.vault.get(NAME, { actor: ADA_ACTOR })).details?.version, 2);
});

scenario("two presses at the same time do it once", async (world) => {
  const { telegram } = world;
  await world.given(NAME);
  const proposal = await propose(world, `secret rotate ${NAME} ${world.canaries.make()}`);
  await Promise.all([telegram.press(proposal, "Confirm"), telegram.press(proposal, "Confirm")]);
  assert.deepEqual(telegram.shown(), [`${NAME} is rotated (version 2).`]);
  assert.equal((await world.vault.get(NAME, { actor: ADA_ACTOR })).details?.version, 2);
});

scenario("a secret that changed meanwhile is not overwritten", async (world) => {
  const { telegram } = world;
  await world.given(NAME);
  const proposal = await propose(world, `secret rotate ${NAME} ${world.canaries.make()}`);
  const meanwhile = await world.given(NAME);
  const words = "the secret has changed since the proposal: look again, then propose again";
  assert.deepEqual(await telegram.press(proposal, "Confirm"), settled(telegram, proposal, words));
  assert.equal(await world.value(NAME), meanwhile);
});

for (const by of ["button", "text"]) {
  scenario(`a bot that was restarted in between takes the confirmation by ${by}`, async (world) => {
    const folder = mkdtempSync(join(tmpdir(), "strongroom-bot-"));
    const path = join(folder, "bot.db");
    try {
      let store = new SqliteStore(path);
      world.start(store);
      const value = world.canaries.make("sk_test_");
      const proposal = await propose(world, `secret set ${NAME} ${value}`);
      store.close();
      // At rest, a proposed value is as sealed as a stored one.
      for (const file of readdirSync(folder)) {
        assert.deepEqual(world.canaries.found(readFileSync(join(folder, file))), [], file);
      }

      store = new SqliteStore(path);
      world.start(store);
      if (by === "button") {
        const pressed = await world.telegram.press(proposal, "Confirm");
        assert.deepEqual(pressed, settled(world.telegram, proposal, `${NAME} is stored.`));
      } else {
        const calls = await world.telegram.send(`secret confirm ${idIn(proposal)}`);
        assert.deepEqual(calls, [sent(`${NAME} is stored.`)]);
      }
      assert.equal(await world.value(NAME), value);
      await world.vault.verifyAudit({ actor: ADA_ACTOR });
      store.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

scenario("the outcome is told in a new message when the old one can't be edited", async (world) => {
  const { telegram } = world;
  const proposal = await propose(world, `secret set ${NAME} ${world.canaries.make()}`);
  telegram.refuseNext("editMessageText", 400, "Bad Request: message can't be edited");
  telegram.refuseNext(
    "answerCallbackQuery",
    400,
    "Bad Request: query is too old and response timeout expired",
  );
  const calls = await telegram.press(proposal, "Confirm", { as: "button-too-old" });
  const words = `${NAME} is stored.`;
  assert.deepEqual(calls, [...settled(telegram, proposal, words), sent(words)]);
  assert.deepEqual(world.logged, [
    "answerCallbackQuery failed: Telegram refused answerCallbackQuery: 400 Bad Request: query is too old and response timeout expired",
    "editing failed: Telegram refused editMessageText: 400 Bad Request: message can't be edited",
  ]);
});
