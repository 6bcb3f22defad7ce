/** Who may not use the bot, and where nobody may. */
import assert from "node:assert/strict";
import { EVE, recorded } from "./telegram.mjs";
import { ADA_ACTOR, answered, DELETED, deletion, scenario, sent } from "./world.mjs";

const NAME = "STRIPE_API_KEY";
const DENIED = "permission denied: this actor is not among those who may use the vault; ask its owner";
const REFUSED = `${DENIED}\nYour id here is 6661337.`;
const GROUP = recorded("group-text").message.chat.id;
const ONLY_PRIVATE = "I keep secrets in private chats only: write to me there.";
const SEEN = "If it held a value, everybody here has seen it: rotate it.";

/** @type {[string, string, boolean][]} */
const ATTEMPTS = [
  [`secret get ${NAME}`, "get", false],
  ["secret list", "list", false],
  [`secret audit ${NAME}`, "audit", false],
  [`secret delete ${NAME}`, "propose", false],
  [`secret set ${NAME} VALUE`, "propose", true],
  [`secret rotate ${NAME} VALUE`, "propose", true],
  ["secret set NO_SUCH VALUE", "propose", true],
  [`secret confirm ${"A".repeat(22)}`, "confirm", false],
  [`secret cancel ${"A".repeat(22)}`, "cancel", false],
  // Not even the commands are for strangers, whatever they write.
  ["secret", "command", false],
  ["secret help", "command", false],
  ["secret set", "command", false],
  ["secret put IT VALUE", "command", true],
  ["secret set VALUE", "command", true],
  ["VALUE", "command", true],
];

for (const [text, action, carriesValue] of ATTEMPTS) {
  scenario(`a user who is not allowed is refused and recorded: ${text.slice(0, 30)}`, async (world) => {
    const { telegram } = world;
    const value = await world.given(NAME);
    const own = world.canaries.make();
    const calls = await telegram.send(text.replace("VALUE", own), { from: EVE });
    const expected = carriesValue
      ? [deletion(telegram.updates.at(-1)), sent(REFUSED + DELETED, {}, EVE.id)]
      : [sent(REFUSED, {}, EVE.id)];
    assert.deepEqual(calls, expected);
    const [event] = await world.latest(1);
    // A name that no secret ever had is not written down: it may be a value in the wrong place.
    const name = text.includes(NAME) ? NAME : undefined;
    const refusal = { outcome: "denied", code: "PERMISSION_DENIED", platform: "telegram" };
    assert.deepEqual(event, { action, actor: String(EVE.id), name, ...refusal });
    assert.equal(await world.value(NAME), value, "the secret is as it was");
  });
}

scenario(
  "a stranger who starts a chat is refused and recorded, and learns the id to ask with",
  async (world) => {
    // Strangers don't begin a vault: a history is there from its first use on.
    await world.given(NAME);
    const calls = await world.telegram.send(undefined, { as: "private-start", from: EVE });
    assert.deepEqual(calls, [sent(REFUSED, {}, EVE.id)]);
    const [event] = await world.latest(1);
    assert.deepEqual([event?.action, event?.outcome, event?.actor], ["command", "denied", String(EVE.id)]);
  },
);

scenario("a stranger's press is refused and recorded, and leaves the buttons", async (world) => {
  const { telegram } = world;
  const calls = await telegram.send(`secret set ${NAME} ${world.canaries.make()}`);
  const proposal = /** @type {any} */ (calls.at(-1));
  const pressed = await telegram.press(proposal, "Confirm", { from: EVE });
  assert.deepEqual(pressed, [answered(telegram, DENIED)]);
  const [event] = await world.latest(1);
  assert.deepEqual([event?.action, event?.outcome, event?.actor], ["confirm", "denied", String(EVE.id)]);
  assert.equal(await world.vault.exists(NAME, { actor: ADA_ACTOR }), false);
});

for (const as of ["group-text", "group-edited-text"]) {
  scenario(`commands in a group are not run, and are taken out of it: ${as}`, async (world) => {
    const { telegram } = world;
    const asked = async () => (await world.latest(10)).filter(({ action }) => action !== "audit");
    await world.given(NAME);
    const before = await asked();
    const text = `/secret@strongroom_example_bot set ${NAME} ${world.canaries.make()}`;
    const calls = await telegram.send(text, { as });
    assert.deepEqual(calls, [
      deletion(telegram.updates.at(-1)),
      sent(`${ONLY_PRIVATE}${DELETED.replace("\n\n", "\n")} ${SEEN}`, {}, GROUP),
    ]);
    assert.deepEqual(await asked(), before, "the vault was not asked");
  });
}

scenario("a group's other talk is left alone", async (world) => {
  for (const text of ["lunch?", "the secret of good bread", "/secrets", "a secret set"]) {
    assert.deepEqual(await world.telegram.send(text, { as: "group-text" }), [], text);
  }
});

scenario("a group where the bot may delete nothing is told so", async (world) => {
  const { telegram } = world;
  telegram.refuseNext("deleteMessage", 400, "Bad Request: message can't be deleted");
  const [, told] = await telegram.send(`secret set ${NAME} ${world.canaries.make()}`, { as: "group-text" });
  assert.match(
    told?.payload.text,
    /I could not delete your message.*delete it yourself\. If it held a value/,
  );
});

scenario("a button in a group does nothing", async (world) => {
  const { telegram } = world;
  const calls = await telegram.send(`secret set ${NAME} ${world.canaries.make()}`);
  const proposal = /** @type {any} */ (calls.at(-1));
  const pressed = await telegram.press(proposal, "Confirm", { as: "button-in-group" });
  assert.deepEqual(pressed, [answered(telegram, ONLY_PRIVATE)]);
  assert.equal(await world.vault.exists(NAME, { actor: ADA_ACTOR }), false);
});
