/**
 * The behaviour suite: what the storage contract asks of every store, as tests. It talks to the store as a driver does
 * and knows nothing of its inside.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";

const KINDS = ["secret", "pending", "stream", "head", "ring", "policy"];

const HOSTILE_NAMES = [
  "plain",
  "Plain",
  "PLAIN",
  "it's",
  'say "hi"',
  "semi;--colon",
  "back\\slash",
  "a:b",
  "a/b.c-d_e",
  "%",
  "_",
  "*",
  "?1",
  "$.key",
  "tab\tand\nnewline",
  " led by a space",
  "1",
  "01",
  "1.0",
  "null",
  "é",
  "e\u0301",
  "ｆｕｌｌ",
  "\u{1F511}",
  "\u{10FFFF}",
  "\u2028",
  "\u202ertl",
  "x".repeat(4096),
];

/** Registers the tests. `makeStore(t)` gives an empty store, which it closes after the test `t`. */
export function behaviour(name, makeStore) {
  describe(`the store behaviour of ${name}`, () => {
    test("a new store holds nothing", async (t) => {
      const store = await makeStore(t);
      assert.deepEqual(await store.load([key("A")]), []);
      assert.deepEqual(await store.load([]), []);
      for (const kind of KINDS) assert.deepEqual(await listed(store, { kind }), []);
      for (const scope of ["latest", "chained", "unchained", slot("A")]) {
        assert.deepEqual(await events(store, scope), []);
      }
    });

    test("records of every kind come back to the letter", async (t) => {
      const store = await makeStore(t);
      const records = [
        record(),
        record({ key: key("few"), columns: {} }),
        ...KINDS.slice(1).flatMap((kind) => [
          record({ key: key("A", "", kind), columns: { created_by: "bob", created_at: 5, updated_at: 6 } }),
          record({ key: key("B", "", kind), columns: {}, mac: null }),
        ]),
      ];
      for (const each of records) delete each.counters;
      assert.equal(await commit(store, { puts: records.map(created) }), "committed");
      const loaded = await store.load(records.map((each) => each.key));
      assert.deepEqual(byKey(loaded), byKey(records));
    });

    test("every column comes back whatever text is in it", async (t) => {
      const store = await makeStore(t);
      const columns = {
        state: "it's",
        value_encrypted: '"\\"',
        encryption_key_id: "\u{1F511}",
        created_by: "\u2028;--",
      };
      const written = record({ columns, data: '{"by":"\\u0000\\"\u{1F511}\\n","n":1e3}' });
      await commit(store, { puts: [created(written)] });
      assert.deepEqual(byKey(await store.load([written.key])), byKey([written]));
    });

    test("instants come back to the millisecond", async (t) => {
      const store = await makeStore(t);
      const instants = [0, 1, 999, 1_000, 951_782_400_123, 4_102_444_799_999, 253_402_300_799_999];
      for (let index = 0; index < 300; index += 1)
        instants.push(Math.floor((index * 4_102_444_800_007) / 300) + index);
      const records = instants.map((at, index) =>
        record({ key: key(`at-${index}`), columns: { last_rotated: at, created_at: at, updated_at: at } }),
      );
      await commit(store, { puts: records.map(created), events: instants.map((at) => ({ at })) });
      assert.deepEqual(byKey(await store.load(records.map((each) => each.key))), byKey(records));
      const told = (await events(store, "chained")).map((event) => event.at);
      assert.deepEqual(told, instants);
    });

    test("load gives the records that exist and no others", async (t) => {
      const store = await makeStore(t);
      const there = [
        key("A"),
        key("A", "other"),
        key("A", "default", "pending"),
        key("A", "default", "stream"),
      ];
      await commit(store, { puts: there.map((each) => created(record({ key: each, columns: {} }))) });
      const asked = [
        ...there,
        key("a"),
        key("B"),
        key("A", "Other"),
        key("A", "default", "head"),
        key("", ""),
      ];
      assert.deepEqual(
        (await store.load(asked)).map((each) => text(each.key)).sort(),
        there.map(text).sort(),
      );
      assert.deepEqual(
        (await store.load([key("A", "other")])).map((each) => text(each.key)),
        [text(key("A", "other"))],
      );
    });

    test("a thousand records are loaded at once", async (t) => {
      const store = await makeStore(t);
      const records = range(1000).map((index) => record({ key: key(`name-${index}`) }));
      await commit(store, { puts: records.map(created) });
      assert.deepEqual(byKey(await store.load(records.map((each) => each.key))), byKey(records));
    });

    test("ten versions of a value of 64 KiB come back to the letter", async (t) => {
      const store = await makeStore(t);
      const value = () => randomBytes(65_536 + 64).toString("base64url");
      const versions = range(10).map((number) => ({ number, value: value(), reason: "rotation" }));
      const large = record({ columns: { value_encrypted: value() }, data: JSON.stringify({ versions }) });
      await commit(store, { puts: [created(large)] });
      const again = { ...large, revision: 2, columns: { value_encrypted: value() } };
      await commit(store, { puts: [{ record: again, expected: { revision: 1 } }] });
      assert.deepEqual(byKey(await store.load([large.key])), byKey([again]));
    });

    test("names that differ in anything are different records, whatever is in them", async (t) => {
      const store = await makeStore(t);
      for (const kind of ["secret", "pending"]) {
        const records = HOSTILE_NAMES.flatMap((text, index) => [
          record({ key: key(text, "default", kind), columns: {}, data: `{"n":${index}}` }),
          record({ key: key("same", text, kind), columns: {}, data: `{"m":${index}}` }),
        ]);
        for (const each of records)
          assert.equal(await commit(store, { puts: [created(each)] }), "committed", text(each.key));
        for (const each of records) assert.deepEqual(byKey(await store.load([each.key])), byKey([each]));
        const keys = await listed(store, { kind });
        assert.deepEqual(keys, inOrder(records.map((each) => each.key)));
        const gone = records.filter((_, index) => index % 3 === 0).map((each) => each.key);
        await commit(store, { deletes: gone.map((each) => ({ key: each, expected: { revision: 1 } })) });
        const left = records.map((each) => each.key).filter((each) => !gone.includes(each));
        assert.deepEqual(await listed(store, { kind }), inOrder(left));
      }
    });

    for (const kind of ["secret", "stream"]) {
      const there = () => record({ key: key("there", "default", kind), columns: {}, revision: 3 });
      const wrong = [
        ["absent, of a record that is there", key("there", "default", kind), "absent"],
        ["an earlier revision", key("there", "default", kind), { revision: 2 }],
        ["a later revision", key("there", "default", kind), { revision: 4 }],
        ["revision 0 of a record that has another", key("there", "default", kind), { revision: 0 }],
        ["a revision of a record that is not there", key("missing", "default", kind), { revision: 3 }],
        ["revision 0 of a record that is not there", key("missing", "default", kind), { revision: 0 }],
        ["a record that is there in another case", key("There", "default", kind), { revision: 3 }],
        ["a record that is there in another namespace", key("there", "other", kind), { revision: 3 }],
      ];
      for (const [what, subject, expected] of wrong) {
        for (const use of ["puts", "deletes", "checks"]) {
          test(`${use} of a ${kind} that expect ${what} conflict, and nothing is applied`, async (t) => {
            const store = await makeStore(t);
            await commit(store, { puts: [created(there()), created(record({ key: key("other") }))] });
            const before = await everything(store);
            const put = { record: record({ key: subject, columns: {}, revision: 9 }), expected };
            const conflict = use === "puts" ? put : { key: subject, expected };
            const ended = await commit(store, {
              puts: [created(record({ key: key("new") })), ...(use === "puts" ? [conflict] : [])],
              deletes: [
                { key: key("other"), expected: { revision: 1 } },
                ...(use === "deletes" ? [conflict] : []),
              ],
              checks: use === "checks" ? [conflict] : [],
              counters: [{ key: key("other"), accessed: 1, at: 9 }],
            });
            assert.equal(ended, "conflict");
            assert.deepEqual(await everything(store), before);
          });
        }
      }

      test(`puts, deletes and checks of a ${kind} apply when everything is as expected`, async (t) => {
        const store = await makeStore(t);
        const of = (name) => record({ key: key(name, "default", kind), columns: {} });
        await commit(store, { puts: ["put", "delete", "check"].map((name) => created(of(name))) });
        const ended = await commit(store, {
          puts: [
            { record: { ...of("put"), revision: 2, data: '{"v":2}' }, expected: { revision: 1 } },
            created(of("new")),
          ],
          deletes: [{ key: of("delete").key, expected: { revision: 1 } }],
          checks: [
            { key: of("check").key, expected: { revision: 1 } },
            { key: key("nobody", "default", kind), expected: "absent" },
          ],
        });
        assert.equal(ended, "committed");
        const now = [of("check"), of("new"), { ...of("put"), revision: 2, data: '{"v":2}' }];
        const keys = ["put", "delete", "check", "new", "nobody"].map((name) => key(name, "default", kind));
        assert.deepEqual(byKey(await store.load(keys)), byKey(now));
      });
    }

    test("an event whose place is taken conflicts, and nothing is applied", async (t) => {
      const store = await makeStore(t);
      await commit(store, { events: [{ stream: "vault", seq: 7 }] });
      const before = await everything(store);
      const puts = [created(record())];
      assert.equal(await commit(store, { puts, events: [{ stream: "vault", seq: 7 }] }), "conflict");
      assert.deepEqual(await everything(store), before);
      assert.equal(await commit(store, { puts, events: [{ stream: "vault", seq: 8 }] }), "committed");
      assert.equal(await commit(store, { events: [{ stream: "Vault", seq: 7 }] }), "committed");
    });

    test("a change set that was applied is answered again and not applied again", async (t) => {
      const store = await makeStore(t);
      const first = changeSet({
        puts: [created(record())],
        counters: [{ key: key("A"), accessed: 1, at: 9 }],
      });
      assert.equal(await store.commit(first), "committed");
      const before = await everything(store);
      assert.equal(await store.commit(first), "committed");
      assert.deepEqual(await everything(store), before);
      // The id alone decides: by now the store may look quite different.
      const deletion = { deletes: [{ key: key("A"), expected: { revision: 1 } }] };
      assert.equal(await commit(store, deletion), "committed");
      const after = await everything(store);
      assert.equal(await store.commit(first), "committed");
      assert.equal(
        await store.commit({ ...changeSet(deletion), operation_id: first.operation_id }),
        "committed",
      );
      assert.deepEqual(await everything(store), after);
    });

    test("a change set that conflicted can be applied later under the same id", async (t) => {
      const store = await makeStore(t);
      const late = changeSet({ puts: [{ record: record({ revision: 2 }), expected: { revision: 1 } }] });
      assert.equal(await store.commit(late), "conflict");
      await commit(store, { puts: [created(record())] });
      assert.equal(await store.commit(late), "committed");
    });

    test("counters add up, keep the latest instant, and change no revision", async (t) => {
      const store = await makeStore(t);
      await commit(store, { puts: [created(record())] });
      const delta = (accessed, at) => ({ counters: [{ key: key("A"), accessed, at }] });
      for (const [accessed, at] of [
        [1, 1_000],
        [2, 3_000],
        [4, 2_000],
      ]) {
        assert.equal(await commit(store, delta(accessed, at)), "committed");
      }
      assert.equal(
        await commit(store, { counters: [...delta(8, 4_000).counters, ...delta(16, 3_500).counters] }),
        "committed",
      );
      const [loaded] = await store.load([key("A")]);
      assert.deepEqual(loaded.counters, { accessed_count: 31, last_accessed: 4_000 });
      assert.equal(loaded.revision, 1);
      assert.deepEqual(byKey([{ ...loaded, counters: undefined }]), byKey([record()]));
    });

    test("counters count for no other record, and for none that is not there", async (t) => {
      const store = await makeStore(t);
      await commit(store, { puts: [created(record()), created(record({ key: key("A", "other") }))] });
      const counters = [key("A"), key("a"), key("missing")].map((each) => ({
        key: each,
        accessed: 5,
        at: 1_000,
      }));
      assert.equal(await commit(store, { counters }), "committed");
      assert.equal((await store.load([key("A")]))[0].counters.accessed_count, 5);
      assert.equal((await store.load([key("A", "other")]))[0].counters.accessed_count, 0);
      assert.deepEqual(await store.load([key("a"), key("missing")]), []);
    });

    test("the counters of a put count when the record is new; an update keeps those that are there", async (t) => {
      const store = await makeStore(t);
      await commit(store, {
        puts: [created(record({ counters: { accessed_count: 7, last_accessed: 1_000 } }))],
      });
      await commit(store, { counters: [{ key: key("A"), accessed: 1, at: 2_000 }] });
      const update = record({ revision: 2, counters: { accessed_count: 100, last_accessed: 99_000 } });
      await commit(store, { puts: [{ record: update, expected: { revision: 1 } }] });
      assert.deepEqual((await store.load([key("A")]))[0].counters, {
        accessed_count: 8,
        last_accessed: 2_000,
      });
    });

    test("a put and an access of the same record apply together", async (t) => {
      const store = await makeStore(t);
      await commit(store, {
        puts: [created(record())],
        counters: [{ key: key("A"), accessed: 2, at: 5_000 }],
      });
      assert.deepEqual((await store.load([key("A")]))[0].counters, {
        accessed_count: 2,
        last_accessed: 5_000,
      });
    });

    test("a record that was deleted and made anew keeps nothing of the earlier one", async (t) => {
      const store = await makeStore(t);
      await commit(store, {
        puts: [created(record())],
        counters: [{ key: key("A"), accessed: 2, at: 5_000 }],
      });
      await commit(store, { deletes: [{ key: key("A"), expected: { revision: 1 } }] });
      const anew = record({ columns: { uid: "f".repeat(32) } });
      await commit(store, { puts: [created(anew)] });
      assert.deepEqual(byKey(await store.load([key("A")])), byKey([anew]));
    });

    test("pages are ordered byte by byte, whatever their size", async (t) => {
      const store = await makeStore(t);
      const names = [
        "Z",
        "a",
        "b",
        "A",
        "é",
        "e\u0301",
        "z",
        "\uff21",
        "\u{1F511}",
        "a.",
        "a-",
        "aa",
        "",
        "10",
        "9",
      ];
      const keys = ["ns", "Ns", "ns.", "ns-", "n", "\uff21", "\u{1F511}"].flatMap((namespace) =>
        names.filter((name) => name !== "").map((name) => key(name, namespace)),
      );
      await commit(store, {
        puts: shuffled(keys).map((each) => created(record({ key: each, columns: {} }))),
      });
      for (const limit of [1, 2, 3, keys.length - 1, keys.length, keys.length + 1]) {
        assert.deepEqual(await listed(store, { limit }), inOrder(keys), `pages of ${limit}`);
      }
      for (const namespace of ["ns", "Ns", "\u{1F511}"]) {
        const own = inOrder(keys.filter((each) => each.namespace === namespace));
        for (const limit of [1, 7, own.length])
          assert.deepEqual(await listed(store, { limit, namespace }), own);
      }
      assert.deepEqual(await listed(store, { namespace: "nobody" }), []);
      assert.deepEqual(await listed(store, { namespace: "nS" }), []);
    });

    test("a page is no longer than its limit, and the one after the last is empty", async (t) => {
      const store = await makeStore(t);
      await commit(store, { puts: range(6).map((index) => created(record({ key: key(`k${index}`) }))) });
      const query = { kind: "secret", namespace: null, limit: 3 };
      const first = await store.list(query, null);
      assert.equal(first.items.length, 3);
      assert.notEqual(first.cursor, null);
      const second = await store.list(query, first.cursor);
      assert.deepEqual(
        second.items.map((item) => item.key.name),
        ["k3", "k4", "k5"],
      );
      if (second.cursor !== null)
        assert.deepEqual(await store.list(query, second.cursor), { items: [], cursor: null });
    });

    test("lists tell the revision, and keep the kinds apart", async (t) => {
      const store = await makeStore(t);
      const puts = KINDS.map((kind, index) =>
        created(record({ key: key("A", "", kind), columns: {}, revision: index + 1 })),
      );
      await commit(store, { puts });
      for (const { record: each } of puts) {
        const { items } = await store.list({ kind: each.key.kind, namespace: null, limit: 10 }, null);
        assert.deepEqual(items, [{ key: each.key, revision: each.revision }]);
      }
    });

    test("pages are right although records come and go between them", async (t) => {
      const store = await makeStore(t);
      const keys = range(9).map((index) => key(`k${index}`));
      await commit(store, { puts: keys.map((each) => created(record({ key: each }))) });
      const query = { kind: "secret", namespace: null, limit: 3 };
      const first = await store.list(query, null);
      // The very record at the cursor, one before it, one after it; and new ones on both sides.
      await commit(store, {
        deletes: ["k1", "k2", "k4"].map((name) => ({ key: key(name), expected: { revision: 1 } })),
        puts: ["k0a", "k2a", "k5a"].map((name) => created(record({ key: key(name) }))),
      });
      const rest = [];
      for (let cursor = first.cursor; cursor !== null; ) {
        const page = await store.list(query, cursor);
        rest.push(...page.items.map((item) => item.key.name));
        cursor = page.cursor;
      }
      assert.deepEqual(rest, ["k2a", "k3", "k5", "k5a", "k6", "k7", "k8"]);
    });

    test("what is due or over comes by its instant and then by its key", async (t) => {
      const placed = [
        ["a", "h", 1_700_000_000_000],
        ["a", "g", 0],
        ["a", "f", 999],
        ["b", "e", 1000],
        ["a", "d", 1000],
        ["a", "c", 1_699_999_999_999],
        ["a", "\u{fffd}", 1000],
        ["a", "\u{1f511}", 1000],
        ["a", "b", 253_402_300_799_999],
      ].map(([namespace, name, at]) => ({ key: key(name, namespace), at }));
      for (const [what, field, other] of [
        ["due", "due_at", "expires_at"],
        ["expired", "expires_at", "due_at"],
      ]) {
        const store = await makeStore(t);
        const puts = placed.map((each) => ({
          ...created(record({ key: each.key })),
          index: { [field]: each.at, [other]: -each.at },
        }));
        assert.equal(
          await commit(store, { puts: [...puts, created(record({ key: key("plain") }))] }),
          "committed",
        );
        for (const until of [-1, 0, 998, 999, 1000, 1_700_000_000_000, 253_402_300_799_999]) {
          for (const namespace of [null, "a", "b", "c"]) {
            const expected = placed
              .filter(({ key, at }) => at <= until && (namespace === null || key.namespace === namespace))
              .sort((a, b) => a.at - b.at || Buffer.compare(ofKey(a.key), ofKey(b.key)));
            for (const limit of [1, 2, 500]) {
              const keys = await listed(store, { by: { [what]: until }, namespace, limit });
              assert.deepEqual(
                keys,
                expected.map(({ key }) => key),
              );
            }
          }
        }
      }
      assert.deepEqual(await listed(await makeStore(t), { by: { due: 9 } }), []);
    });

    test("a fingerprint finds who has it, and no other text does", async (t) => {
      const store = await makeStore(t);
      const [one, two] = ["ab".repeat(32), "cd".repeat(32)];
      const puts = [
        ["B", "x", [one]],
        ["a", "x", [two, one]],
        ["A", "y", [one]],
        ["C", "y", []],
      ].map(([name, namespace, fingerprints]) => ({
        ...created(record({ key: key(name, namespace) })),
        index: { fingerprints },
      }));
      await commit(store, { puts });
      const found = (fingerprint, more) => listed(store, { by: { fingerprint }, limit: 1, ...more });
      assert.deepEqual(await found(one), [key("B", "x"), key("a", "x"), key("A", "y")]);
      assert.deepEqual(await found(one, { namespace: "y" }), [key("A", "y")]);
      assert.deepEqual(await found(two), [key("a", "x")]);
      for (const other of [one.slice(1), one.toUpperCase(), "", "%"])
        assert.deepEqual(await found(other), []);
      for (const kind of ["pending", "stream"]) assert.deepEqual(await found(one, { kind }), []);
    });

    test("a put and a deletion replace what a record is found by", async (t) => {
      const store = await makeStore(t);
      const put = (revision, expected, index) =>
        commit(store, { puts: [{ record: record({ revision }), expected, index }] });
      const finds = async (...lookups) => {
        const found = await Promise.all(lookups.map((by) => listed(store, { by })));
        return found.map((keys) => keys.length === 1);
      };
      const early = { due_at: 10, expires_at: 10, fingerprints: ["ab".repeat(32), "cd".repeat(32)] };
      const late = { due_at: 20, expires_at: 20, fingerprints: ["cd".repeat(32), "ef".repeat(32)] };
      const before = [{ due: 10 }, { expired: 10 }, { fingerprint: "ab".repeat(32) }];
      const after = [{ due: 20 }, { expired: 20 }, { fingerprint: "cd".repeat(32) }];
      await put(1, "absent", early);
      assert.equal(await put(9, { revision: 8 }, late), "conflict");
      assert.deepEqual(await finds(...before), [true, true, true]);
      await put(2, { revision: 1 }, late);
      assert.deepEqual(await finds(...before, ...after), [false, false, false, true, true, true]);
      await commit(store, { counters: [{ key: key("A"), accessed: 1, at: 2 }] });
      assert.deepEqual(await finds(...after), [true, true, true]);
      assert.equal("index" in (await store.load([key("A")]))[0], false);
      await put(3, { revision: 2 });
      assert.deepEqual(await finds(...after), [false, false, false]);
      await put(4, { revision: 3 }, late);
      await commit(store, { deletes: [{ key: key("A"), expected: { revision: 4 } }] });
      await put(1, "absent");
      assert.deepEqual(await finds(...after), [false, false, false]);
    });

    test("proposals end apart from secrets", async (t) => {
      const store = await makeStore(t);
      const puts = [
        [key("S"), 1],
        [key("P", "", "pending"), 2],
        [key("Q", "", "pending"), 1],
      ].map(([each, expires_at]) => ({
        ...created(record({ key: each, columns: {} })),
        index: { expires_at },
      }));
      await commit(store, { puts });
      const over = (by, kind) => listed(store, { by, kind, limit: 1 });
      assert.deepEqual(await over({ expired: 2 }, "secret"), [key("S")]);
      assert.deepEqual(await over({ expired: 2 }, "pending"), [
        key("Q", "", "pending"),
        key("P", "", "pending"),
      ]);
      assert.deepEqual(await over({ expired: 1 }, "pending"), [key("Q", "", "pending")]);
      assert.deepEqual(await over({ due: 2 }, "pending"), []);
    });

    test("pages of what is due are right although records come and go between them", async (t) => {
      const store = await makeStore(t);
      const due = (name, due_at, revision = 1) => ({
        record: record({ key: key(name), revision }),
        expected: revision === 1 ? "absent" : { revision: revision - 1 },
        index: { due_at },
      });
      await commit(store, { puts: range(9).map((index) => due(`k${index}`, Math.floor(index / 3))) });
      const query = { kind: "secret", namespace: null, by: { due: 9 }, limit: 4 };
      const first = await store.list(query, null);
      await commit(store, {
        deletes: [{ key: key("k3"), expected: { revision: 1 } }],
        puts: [due("k0", 2, 2), due("k7", 0, 2), due("k3a", 1)],
      });
      const rest = [];
      for (let cursor = first.cursor; cursor !== null; ) {
        const page = await store.list(query, cursor);
        rest.push(...page.items.map((item) => item.key.name));
        cursor = page.cursor;
      }
      assert.deepEqual(rest, ["k3a", "k4", "k5", "k0", "k6", "k8"]);
    });

    test("events come back to the letter, and those with gaps too", async (t) => {
      const store = await makeStore(t);
      const operation_id = randomBytes(16).toString("hex");
      const whole = {
        stream: "vault",
        seq: 1,
        at: 1_700_000_000_001,
        operation_id,
        action: "get",
        secret_uid: "a".repeat(32),
        namespace: "default",
        name: 'it\'s "A" \u{1F511}',
        actor: "alice;--",
        platform: "telegram",
        outcome: "denied",
        success: false,
        code: "PERMISSION_DENIED",
        reason: "manual",
        epoch: 1,
        digest: "d".repeat(64),
        rule: "rule-1",
        prev_mac: "e".repeat(64),
        mac: "f".repeat(64),
      };
      const bare = { stream: "vault", seq: 2, operation_id };
      await store.commit({ ...changeSet({}), operation_id, events: [whole, bare] });
      assert.deepEqual((await events(store, "chained")).map(told), [whole, bare]);
    });

    test("events are told latest first, of all and of one slot", async (t) => {
      const store = await makeStore(t);
      const names = ["A", "B", "a", "A", "B", "A"];
      for (const [index, name] of names.entries()) {
        // Instants run backwards: what counts is the order of the commits.
        await commit(store, {
          events: [{ namespace: "default", name, at: 1_000_000 - index, reason: `${index}` }],
        });
      }
      await commit(store, { events: [{ namespace: "other", name: "A", reason: "6" }, { reason: "7" }] });
      const reasons = async (scope, limit) =>
        (await events(store, scope, limit)).map((event) => event.reason).join("");
      for (const limit of [1, 2, 3, 8, 100]) {
        assert.equal(await reasons("latest", limit), "76543210", `pages of ${limit}`);
        assert.equal(await reasons(slot("A"), limit), "530");
        assert.equal(await reasons(slot("a"), limit), "2");
        assert.equal(await reasons(slot("A", "other"), limit), "6");
        assert.equal(await reasons(slot("missing"), limit), "");
      }
    });

    test("chained events are told by stream and place, whatever the order of their commits", async (t) => {
      const store = await makeStore(t);
      const streams = ["vault", "b".repeat(32), "a".repeat(32), "Vault", "0".repeat(32)];
      const places = shuffled(
        streams.flatMap((stream) => range(12).map((index) => ({ stream, seq: index + 1 }))),
      );
      for (const place of places) await commit(store, { events: [place] });
      const expected = [...streams]
        .sort()
        .flatMap((stream) => range(12).map((index) => `${stream} ${index + 1}`));
      for (const limit of [1, 5, 12, 60, 61]) {
        const found = (await events(store, "chained", limit)).map((event) => `${event.stream} ${event.seq}`);
        assert.deepEqual(found, expected, `pages of ${limit}`);
      }
      assert.deepEqual(await events(store, "unchained"), []);
    });

    test("events outside the chain are told oldest first, and apart from the others", async (t) => {
      const store = await makeStore(t);
      for (const index of range(7)) {
        await commit(store, { events: [{ stream: null, seq: null, reason: `${index}` }] });
        await commit(store, { events: [{ reason: "chained" }] });
      }
      for (const limit of [1, 3, 7, 8]) {
        assert.equal(
          (await events(store, "unchained", limit)).map((event) => event.reason).join(""),
          "0123456",
        );
      }
      assert.equal((await events(store, "chained")).length, 7);
      assert.equal((await events(store, "latest")).length, 14);
    });

    for (const scope of ["latest", "chained", "unchained", slot("A")]) {
      const title = typeof scope === "string" ? scope : "slot";
      test(`pages of ${title} events tell none twice although others are appended between them`, async (t) => {
        const store = await makeStore(t);
        const place = scope === "unchained" ? { stream: null, seq: null } : {};
        const append = (reason) =>
          commit(store, { events: [{ ...place, namespace: "default", name: "A", reason }] });
        for (const index of range(9)) await append(`${index}`);
        const found = [];
        for (let cursor = null; ; ) {
          const page = await store.events({ scope, limit: 2 }, cursor);
          assert.ok(page.events.length <= 2);
          found.push(...page.events.map((event) => event.reason).filter((reason) => reason !== "late"));
          cursor = page.cursor;
          if (cursor === null) break;
          if (found.length < 9) await append("late");
        }
        const order = [..."012345678"];
        assert.deepEqual(found, scope === "chained" || scope === "unchained" ? order : order.reverse());
      });
    }

    test("commits that race are applied one after the other: of those that expect the same, one", async (t) => {
      const store = await makeStore(t);
      await commit(store, { puts: [created(record())] });
      const update = (n) => record({ revision: 2, data: `{"n":${n}}` });
      const puts = range(20).map((n) => [{ record: update(n), expected: { revision: 1 } }]);
      const ends = await Promise.all(puts.map((each) => commit(store, { puts: each })));
      assert.equal(ends.filter((end) => end === "committed").length, 1);
      assert.equal(ends.filter((end) => end === "conflict").length, 19);
      const [loaded] = await store.load([key("A")]);
      assert.equal(loaded.data, `{"n":${ends.indexOf("committed")}}`);
    });
  });
}

const range = (count) => Array.from({ length: count }, (_, index) => index);
const key = (name, namespace = "default", kind = "secret") => ({ kind, namespace, name });
const slot = (name, namespace = "default") => ({ slot: { namespace, name } });
const text = ({ kind, namespace, name }) => JSON.stringify([kind, namespace, name]);
const created = (each) => ({ record: each, expected: "absent" });

function record(parts = {}) {
  const subject = parts.key ?? key("A");
  return {
    key: subject,
    revision: 1,
    columns: {
      uid: randomBytesOf(text(subject)),
      state: "active",
      version: 3,
      value_encrypted: "sr1.AAAA",
      encryption_key_id: "ab".repeat(32),
      value_fingerprint: "cd".repeat(32),
      last_rotated: 1_700_000_000_001,
      created_by: "alice",
      created_at: 1_600_000_000_002,
      updated_at: 1_700_000_000_003,
    },
    data: '{"versions":[]}',
    mac: "ef".repeat(32),
    ...parts,
  };
}

/** 32 hex digits that stand for a text. */
function randomBytesOf(subject) {
  return Buffer.from(subject).toString("hex").padEnd(32, "0").slice(-32);
}

let places = 0;

function changeSet({ puts = [], deletes = [], checks = [], counters = [], events: given = [{}] }) {
  const operation_id = randomBytes(16).toString("hex");
  const placed = given.map((event) => {
    places += 1;
    return { stream: "vault", seq: places, at: 1_000, action: "set", success: true, operation_id, ...event };
  });
  return { operation_id, puts, deletes, checks, counters, events: placed };
}

async function commit(store, parts) {
  return store.commit(changeSet(parts));
}

/** The bytes that keys are ordered by. */
const ofKey = ({ namespace, name }) => Buffer.from(`${namespace}\0${name}`);

/** All keys of a kind, page by page, each page checked. */
async function listed(store, { kind = "secret", namespace = null, by, limit = 500 }) {
  const found = [];
  for (let cursor = null; ; ) {
    const page = await store.list({ kind, namespace, by, limit }, cursor);
    assert.ok(page.items.length <= limit, `a page of ${page.items.length}, and the limit is ${limit}`);
    assert.ok(page.items.length > 0 || page.cursor === null, "an empty page that is not the last");
    found.push(...page.items.map((item) => item.key));
    cursor = page.cursor;
    if (cursor === null) return found;
  }
}

async function events(store, scope, limit = 500) {
  const found = [];
  for (let cursor = null; ; ) {
    const page = await store.events({ scope, limit }, cursor);
    assert.ok(page.events.length <= limit, `a page of ${page.events.length}, and the limit is ${limit}`);
    assert.ok(page.events.length > 0 || page.cursor === null, "an empty page that is not the last");
    found.push(...page.events);
    cursor = page.cursor;
    if (cursor === null) return found;
  }
}

/** All that a store tells. */
export async function everything(store) {
  const keys = [];
  for (const kind of KINDS) keys.push(...(await listed(store, { kind })));
  return { records: byKey(await store.load(keys)), events: (await events(store, "latest")).map(told) };
}

/** Records by key, without what is absent: a store may leave it out or say null. */
function byKey(records) {
  const whole = records.map(({ counters, ...each }) => {
    const { accessed_count = 0, last_accessed } = counters ?? {};
    return [
      text(each.key),
      told({ ...each, columns: told(each.columns), counters: told({ accessed_count, last_accessed }) }),
    ];
  });
  assert.equal(new Set(whole.map(([each]) => each)).size, whole.length, "a record came twice");
  return Object.fromEntries(whole);
}

function told(fields) {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  );
}

function inOrder(keys) {
  const bytes = (each) => [Buffer.from(each.namespace), Buffer.from(each.name)];
  return [...keys].sort((a, b) => {
    const [left, right] = [bytes(a), bytes(b)];
    return Buffer.compare(left[0], right[0]) || Buffer.compare(left[1], right[1]);
  });
}

function shuffled(items) {
  return items
    .map((item) => [randomBytes(4).readUInt32LE(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}
