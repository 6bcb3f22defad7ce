/** What an allowed user does in a private chat, every outgoing call to the letter. */
import assert from "node:assert/strict";
import { ADA } from "./telegram.mjs";
import { ADA_ACTOR, asked, DELETED, deletion, idIn, scenario, sent, settled, timeless } from "./world.mjs";

const NAME = "STRIPE_API_KEY";

scenario(
  "set asks first, takes the value out of the chat, and stores it when Confirm is pressed",
  async (world) => {
    const { telegram } = world;
    const value = world.canaries.make("sk_test_");
    const calls = await telegram.send(`secret set ${NAME} ${value}`);
    const proposal = /** @type {any} */ (calls.at(-1));
    const id = idIn(proposal);
    assert.deepEqual(calls, [
      deletion(telegram.updates.at(-1)),
      asked(`Set ${NAME} to sk_t****?`, id, DELETED),
    ]);
    assert.equal(await world.vault.exists(NAME, { actor: ADA_ACTOR }), false, "nothing is stored yet");

    const pressed = await telegram.press(proposal, "Confirm");
    assert.deepEqual(pressed, settled(telegram, proposal, `${NAME} is stored.`));
    assert.equal(await world.value(NAME), value);
    assert.deepEqual(
      telegram.shown(),
      [`${NAME} is stored.`],
      "neither a value nor a button stays in the chat",
    );
    assert.equal(telegram.message(ADA.id, telegram.idOf(proposal) ?? 0).reply_markup, undefined);
  },
);

scenario("a change is confirmed in writing where there are no buttons", async (world) => {
  const { telegram } = world;
  const value = world.canaries.make();
  const id = idIn((await telegram.send(`secret set ${NAME} ${value}`)).at(-1));
  assert.deepEqual(await telegram.send(`secret confirm ${id}`), [sent(`${NAME} is stored.`)]);
  assert.equal(await world.value(NAME), value);
});

for (const by of ["button", "text"]) {
  scenario(`a change is cancelled by ${by}, and nothing is stored`, async (world) => {
    const { telegram } = world;
    const calls = await telegram.send(`secret set ${NAME} ${world.canaries.make()}`);
    const proposal = /** @type {any} */ (calls.at(-1));
    const words = "Cancelled. Nothing was changed.";
    if (by === "button") {
      assert.deepEqual(await telegram.press(proposal, "Cancel"), settled(telegram, proposal, words));
    } else {
      assert.deepEqual(await telegram.send(`secret cancel ${idIn(proposal)}`), [sent(words)]);
    }
    assert.equal(await world.vault.exists(NAME, { actor: ADA_ACTOR }), false);
    const gone = "the proposal was cancelled; look at the secret, and propose again if it is to change";
    const late = await telegram.press(proposal, "Confirm");
    assert.equal(late.at(-1)?.payload.text, gone);
  });
}

scenario("get shows the value masked", async (world) => {
  await world.given(NAME);
  assert.deepEqual(await world.telegram.send(`secret get ${NAME}`), [sent(`${NAME}: sk_t****`)]);
  assert.deepEqual(await world.telegram.send("secret get NO_SUCH"), [
    sent("Secret not found: there is no secret of that name; check the spelling against the list"),
  ]);
});

scenario("list shows names, ages and counts, and no value", async (world) => {
  const { telegram } = world;
  assert.deepEqual(await telegram.send("secret list"), [
    sent("There are no secrets yet. Store one: secret set <name> <value>"),
  ]);
  await world.given("A");
  await world.given(NAME);
  await telegram.send(`secret get ${NAME}`);
  const calls = await telegram.send("/secret LIST");
  const lines = [
    "Secrets (2):",
    "A: last rotated NOW, accessed 0x, created by 5318008",
    `${NAME}: last rotated NOW, accessed 1x, created by 5318008`,
  ];
  assert.deepEqual(
    calls.map(({ method, payload }) => ({ method, payload: { ...payload, text: timeless(payload.text) } })),
    [sent(lines.join("\n"))],
  );
});

scenario("rotate replaces the value after a confirmation", async (world) => {
  const { telegram } = world;
  const before = await world.given(NAME);
  const after = world.canaries.make("rk_live_");
  const calls = await telegram.send(`secret rotate ${NAME} ${after}`);
  const proposal = /** @type {any} */ (calls.at(-1));
  assert.deepEqual(calls, [
    deletion(telegram.updates.at(-1)),
    asked(`Rotate ${NAME} to rk_l****?`, idIn(proposal), DELETED),
  ]);
  assert.equal(await world.value(NAME), before);
  const pressed = await telegram.press(proposal, "Confirm");
  assert.deepEqual(pressed, settled(telegram, proposal, `${NAME} is rotated (version 2).`));
  assert.equal(await world.value(NAME), after);
});

scenario("delete asks first; the history stays", async (world) => {
  const { telegram } = world;
  await world.given(NAME);
  const calls = await telegram.send(`secret delete ${NAME}`);
  const proposal = /** @type {any} */ (calls.at(-1));
  assert.deepEqual(calls, [asked(`Delete ${NAME}? This cannot be undone.`, idIn(proposal), "")]);
  const words = `${NAME} is deleted. Its history is kept: secret audit ${NAME}`;
  assert.deepEqual(await telegram.press(proposal, "Confirm"), settled(telegram, proposal, words));
  assert.equal(await world.vault.exists(NAME, { actor: ADA_ACTOR }), false);
  const [history] = await telegram.send(`secret audit ${NAME}`);
  assert.match(history?.payload.text, /DELETE 5318008 \(telegram\) ok/);
  assert.deepEqual(await telegram.send(`secret get ${NAME}`), [
    sent(`Secret not found: ${NAME} was deleted; check the spelling against the list`),
  ]);
});

scenario("audit shows who did what, latest first", async (world) => {
  const { telegram } = world;
  await world.given(NAME);
  await telegram.send(`secret get ${NAME}`);
  const proposal = /** @type {any} */ (
    (await telegram.send(`secret rotate ${NAME} ${world.canaries.make()}`)).at(-1)
  );
  await telegram.press(proposal, "Confirm");
  const calls = await telegram.send(`secret audit ${NAME}`);
  const lines = [
    `History of ${NAME}, latest first:`,
    "NOW ROTATE 5318008 (telegram) ok",
    "NOW PROPOSE 5318008 (telegram) ok",
    "NOW GET 5318008 (telegram) ok",
    "NOW SET 5318008 (telegram) ok",
  ];
  assert.deepEqual(
    calls.map(({ method, payload }) => ({ method, payload: { ...payload, text: timeless(payload.text) } })),
    [sent(lines.join("\n"))],
  );
});

scenario("what is no command is answered with the commands, and taken out of the chat", async (world) => {
  const { telegram } = world;
  const [removal, help] = await telegram.send(world.canaries.make());
  assert.deepEqual(removal, deletion(telegram.updates.at(-1)));
  assert.match(help?.payload.text, /secret set <name> <value>/);
  assert.ok(help?.payload.text.endsWith(DELETED));
});

for (const [what, text] of [
  ["a value in the place of a name", "secret set VALUE"],
  ["a value in the place of a verb", "secret VALUE"],
  ["a value after a verb that there is not", "secret put NAME VALUE"],
]) {
  scenario(`${what} is taken out of the chat, and not repeated`, async (world) => {
    const { telegram } = world;
    const [removal, help] = await telegram.send(text?.replace("VALUE", world.canaries.make()));
    assert.deepEqual(removal, deletion(telegram.updates.at(-1)));
    assert.match(help?.payload.text, /secret set <name> <value>/);
    assert.ok(help?.payload.text.endsWith(DELETED));
  });
}

scenario("a chat begins with the commands, and shows them again when asked", async (world) => {
  const { telegram } = world;
  const [help, ...more] = await telegram.send(undefined, { as: "private-start" });
  assert.match(help?.payload.text, /^These are the commands:\n.*secret set <name> <value>/);
  assert.deepEqual(more, [], "and nothing is deleted");
  for (const text of ["secret", "secret help", "/help"]) {
    assert.deepEqual(await telegram.send(text, { as: "private-start" }), [help], text);
  }
});

scenario("an answer that is too long for one message comes in several, cut at line ends", async (world) => {
  for (let n = 0; n < 120; n++) {
    await world.vault.set(`SERVICE_WITH_A_RATHER_LONG_NAME_${n}`, world.canaries.make(), {
      actor: ADA_ACTOR,
    });
  }
  const calls = await world.telegram.send("secret list");
  assert.ok(calls.length > 1, "it does not fit into one message");
  assert.ok(calls.every(({ payload }) => payload.text.length <= 4096));
  const lines = calls.flatMap(({ payload }) => payload.text.split("\n"));
  assert.equal(lines.length, 121);
  assert.ok(
    lines.slice(1).every((line) => /^SERVICE_WITH_A_RATHER_LONG_NAME_\d+: .* created by 5318008$/.test(line)),
  );
});
