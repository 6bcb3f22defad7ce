/** The vault: typed methods over sessions. What they return is converted here and decided in the core. */
import { watchOf } from "./access.js";
import { type ExportOptions, exported, type ImportOptions, type ImportReport, imported } from "./archives.js";
import { instant, invalid, listOfText, optional, refuseUnknown, textOnly, wholeNumber } from "./arguments.js";
import type { Store } from "./contract.js";
import { drive, type Host } from "./driver.js";
import { guarded } from "./errors.js";
import { handleOf as keyringHandle } from "./keyring.js";
import type { Manifest } from "./manifest.js";
import {
  dotenvOptions,
  entriesOf,
  heldUp,
  type Many,
  report,
  variablesOf,
  writing,
  writtenMany,
} from "./many.js";
import { type NativeSession, type NativeVault, native, type Text } from "./native.js";
import type {
  ActorOptions,
  Change,
  CheckpointOptions,
  EmergencyOptions,
  ExpiryOptions,
  ExportAuditOptions,
  GrantShape,
  ImportDotenvOptions,
  ImportEnvOptions,
  ManifestOptions,
  ManyValues,
  NewValue,
  Policy,
  RekeyOptions,
  RekeyPagesOptions,
  RotateOptions,
  RotationStatusOptions,
  Rotator,
  RotatorOptions,
  SecretOptions,
  SetManyOptions,
  SetOptions,
  SweepOptions,
  VaultOptions,
  VerifyAuditOptions,
} from "./options.js";
import { copyOf, type ResolvedTexts, resolvedTree, treeText } from "./resolve.js";
import type {
  AuditEvent,
  AuditReport,
  Census,
  CommandReply,
  Confirmed,
  Copied,
  Grant,
  Granted,
  Identified,
  LeftOver,
  Listed,
  ListedVersion,
  ManifestReport,
  PolicyInForce,
  Proposed,
  Purged,
  Rekeyed,
  RekeyedPage,
  Renewed,
  RenewedPage,
  Resolved,
  Retired,
  RotationReport,
  RotationState,
  Swept,
  Verified,
  Written,
  WrittenMany,
} from "./results.js";
import { handleOf, Secret, type SecretDetails } from "./secret.js";
import { heldBy } from "./signing.js";
import { surroundings } from "./surroundings.js";
import { auditEvent, camel, camels, common, expiry, json, newValue, type Wire, written } from "./wire.js";

/**
 * A vault over a store. It keeps no state of the store and caches no value.
 *
 * Every method throws `StrongroomError`; besides what each one says: `PERMISSION_DENIED`, `SESSION_EXPIRED`,
 * `NAME_INVALID`, `CONFLICT`, `STORAGE_FAILED`, `RECORD_TAMPERED`, `VAULT_HEAD_MISSING`, `KEY_UNKNOWN`, `INVALID_ARGUMENT`;
 * and those that write a value, `KEYRING_STALE` when the keyring's first key is not the vault's: see `rekey`.
 */
export class Vault {
  readonly #native: NativeVault;
  readonly #host: Host;

  constructor(options: VaultOptions) {
    const { keyring, store, confirm, actors, policy, vaultId, valueMax, proposalMillis, ...rest } = options;
    const { readEnv, readFile, onEvent, events, accessRules, onFinding, ...unknown } = rest;
    refuseUnknown(unknown, "the vault's options");
    if (onEvent !== undefined && typeof onEvent !== "function") throw invalid("onEvent must be a function");
    if (!isStore(store)) {
      throw invalid("the vault's options give no store: it has the methods load, list, commit and events");
    }
    const limits = { value_max: valueMax, proposal_millis: proposalMillis };
    // Without a hook there is nobody to tell.
    const chosen = onEvent === undefined ? undefined : (events ?? []);
    const wire = json({ confirm, actors, policy, vault_id: vaultId, events: chosen, ...limits });
    // The native part first: a keyring cannot be told from anything else before it is there.
    const [core, handle, watch] = [native(), keyringHandle(keyring), watchOf(accessRules, onFinding)];
    this.#native = guarded(() =>
      watch === undefined ? core.openVault(handle, wire) : core.openWatchedVault(handle, wire, watch),
    );
    this.#host = { store, onEvent, onFinding, ...surroundings({ readEnv, readFile }) };
  }

  /** Gives a secret a value, given or made, whether it is new or not. Throws `VALUE_INVALID`, `VERSION_COMPROMISED`. */
  async set(name: string, value: NewValue, options: SetOptions): Promise<Written> {
    const { sensitivity, notify, generator, expiresAt, expiresInMillis, ...rest } = options ?? {};
    const [made, given] = newValue(value);
    const wire = { name, sensitivity, notify, generator, ...made, ...expiry({ expiresAt, expiresInMillis }) };
    return written(await this.#run("set", { ...wire, ...common(rest) }, given));
  }

  /** Reads a secret's value. Throws `SECRET_NOT_FOUND`, `SECRET_DISABLED`, `SECRET_EXPIRED`, `VERSION_COMPROMISED`. */
  async get(name: string, options: SecretOptions): Promise<Secret> {
    const { told, secrets } = await this.#drive("get", { name, ...common(options) });
    const [secret] = secrets;
    if (secret === undefined) throw new TypeError("the native part gave no value");
    return new Secret(secret, camel<SecretDetails>(told));
  }

  /** Whether there is a secret of that name. Recorded only when refused. */
  async exists(name: string, options: SecretOptions): Promise<boolean> {
    return (await this.#run("exists", { name, ...common(options) })) as boolean;
  }

  /** What secrets there are, in one namespace or in all, without a value of any. */
  async list(options: SecretOptions): Promise<Listed[]> {
    return camels(await this.#run("list", common(options)), "secrets");
  }

  /**
   * Gives an existing secret a new value: yours, one that is made as you say, or, when you give none, one of the secret's own
   * generator. Throws `SECRET_NOT_FOUND`, `VALUE_INVALID`.
   *
   * With a rotator, the value is created where it is used, kept sealed, and current once it is activated there. Cut short
   * anywhere, it is called again and goes on. Throws `ROTATION_FAILED`, with what the rotator threw as its cause.
   */
  async rotate(name: string, value: NewValue, options: RotateOptions): Promise<Written>;
  async rotate(name: string, options: RotatorOptions): Promise<Written>;
  async rotate(name: string, ...rest: unknown[]): Promise<Written> {
    const isGiven = rest.length > 1;
    if (isGiven && rest[0] === undefined)
      throw invalid("the new value is undefined: leave the argument out for the secret's own generator");
    const [made, given] = isGiven ? newValue(rest[0] as NewValue) : [{}];
    const { graceMillis, expiresAt, expiresInMillis, rotator, ...others } = (rest.at(-1) ??
      {}) as RotatorOptions;
    if (rotator !== undefined) checkRotator(rotator);
    const how = {
      grace_millis: optional(wholeNumber, graceMillis, "graceMillis"),
      rotator: rotator !== undefined || undefined,
    };
    const wire = { name, ...made, ...how, ...expiry({ expiresAt, expiresInMillis }), ...common(others) };
    return written((await this.#drive("rotate", wire, given, { rotator })).told as Written);
  }

  /** Deletes a secret; its history stays under the name. Throws `SECRET_NOT_FOUND`. */
  async delete(name: string, options: SecretOptions): Promise<Written> {
    return written(await this.#run("delete", { name, ...common(options) }));
  }

  /** Disables a secret: it gives no value and verifies nothing until it is enabled. Throws `SECRET_NOT_FOUND`. */
  async disable(name: string, options: SecretOptions): Promise<Written> {
    return written(await this.#run("disable", { name, ...common(options) }));
  }

  /** Enables a secret again. Throws `SECRET_NOT_FOUND`. */
  async enable(name: string, options: SecretOptions): Promise<Written> {
    return written(await this.#run("enable", { name, ...common(options) }));
  }

  /** The last 10 versions of a secret, newest first, without a value of any. Throws `SECRET_NOT_FOUND`. */
  async versions(name: string, options: SecretOptions): Promise<ListedVersion[]> {
    return camels(await this.#run("versions", { name, ...common(options) }), "versions");
  }

  /**
   * Brings an earlier version's value back, as a new version. Throws `SECRET_NOT_FOUND`, `VERSION_NOT_FOUND`,
   * `VERSION_COMPROMISED`.
   */
  async rollback(name: string, version: number, options: SecretOptions): Promise<Written> {
    const number = wholeNumber(version, "the version");
    return written(await this.#run("rollback", { name, version: number, ...common(options) }));
  }

  /**
   * Whether a presented value is the secret's current one, or a previous one within its grace; compared in constant time.
   * Throws `SECRET_NOT_FOUND`.
   */
  async verify(name: string, value: Text | Secret, options: SecretOptions): Promise<Verified> {
    return camel(await this.#run("verify", { name, ...common(options) }, value));
  }

  /** Ends the grace of all previous values at once. Throws `SECRET_NOT_FOUND`. */
  async revokePrevious(name: string, options: SecretOptions): Promise<Written> {
    return written(await this.#run("revoke_previous", { name, ...common(options) }));
  }

  /** Gives a secret's value an end, or takes it away: `expiresAt: null`. Throws `SECRET_NOT_FOUND`. */
  async expire(name: string, options: SecretOptions & ExpiryOptions): Promise<Written> {
    const { expiresAt, expiresInMillis, ...rest } = options ?? {};
    if (expiresAt === undefined && expiresInMillis === undefined)
      throw invalid("expire takes an end: give expiresAt, null for never, or expiresInMillis");
    const wire = { name, ...expiry({ expiresAt, expiresInMillis }), ...common(rest) };
    return written(await this.#run("expire", wire));
  }

  /** Deletes the expired secrets of one namespace or of all, and the proposals that are over. */
  async purge(options: SecretOptions): Promise<Purged> {
    return camel(await this.#run("purge", common(options)));
  }

  /** Where the secrets stand that the actor may read, of one namespace or of all: which are due, when, and whom to tell. */
  async rotationStatus(options: RotationStatusOptions): Promise<RotationReport> {
    const { aheadMillis, ...rest } = options ?? {};
    const ahead = optional(wholeNumber, aheadMillis, "aheadMillis");
    const told = await this.#run("rotation_status", { ahead_millis: ahead, ...common(rest) });
    return { ...camel<RotationReport>(told), secrets: camels<RotationState>(told, "secrets") };
  }

  /**
   * The secrets that are due, of one namespace or of all that the actor may list and read, the longest due first. Found by an
   * index; those that are overdue are recorded as such, 500 at most, for whoever is to be told.
   */
  async due(options: RotationStatusOptions): Promise<RotationState[]> {
    const { aheadMillis, ...rest } = options ?? {};
    const ahead = optional(wholeNumber, aheadMillis, "aheadMillis");
    return camels(await this.#run("due", { ahead_millis: ahead, ...common(rest) }), "secrets");
  }

  /**
   * Whose value a presented one is, among the secrets of one namespace or of all that the actor may read: found by its keyed
   * fingerprint, then compared in constant time.
   */
  async identify(value: Text | Secret, options: SecretOptions): Promise<Identified> {
    return camel(await this.#run("identify", common(options), value));
  }

  /** Rotates what is due, of one namespace or of all that the actor may write, by the secrets' own generators. */
  async rotateDue(options: SweepOptions): Promise<Swept> {
    return await this.#sweep("rotate_due", options);
  }

  /** The same with all secrets, due or not. */
  async rotateAll(options: SweepOptions): Promise<Swept> {
    return await this.#sweep("rotate_all", options);
  }

  /**
   * Rotates what leaked, at once and without grace. No operation gives, accepts or brings back a value from before; open
   * proposals are cancelled. What has no generator is told in `left`. Cut short, it is begun again. Throws `SECRET_NOT_FOUND`.
   */
  async emergencyRotate(options: EmergencyOptions): Promise<Swept> {
    const { name, disable, ...rest } = options ?? {};
    if (disable !== undefined && typeof disable !== "boolean") throw invalid("disable must be true or false");
    return await this.#sweep("emergency_rotate", rest, { name, disable });
  }

  /** The latest events of one secret or of the whole vault, latest first; 20 unless told otherwise, 1000 at most. */
  async audit(
    options: SecretOptions & { name?: string | undefined; limit?: number | undefined },
  ): Promise<AuditEvent[]> {
    const { name, limit, ...rest } = options ?? {};
    const { events } = (await this.#run("audit", { name, limit, ...common(rest) })) as { events: Wire[] };
    return events.map(auditEvent);
  }

  /**
   * Verifies the whole history, and that it still holds what a checkpoint that was kept elsewhere attests. Throws
   * `AUDIT_TAMPERED`, naming the first bad event and what is wrong with it; `BACKUP_INVALID` for a checkpoint that none of the
   * verifiers signed.
   */
  async verifyAudit(options: VerifyAuditOptions): Promise<AuditReport> {
    const { checkpoint, verifiers, ...rest } = options ?? {};
    const wire = {
      checkpoint: optional(textOnly, checkpoint, "the checkpoint"),
      verifiers: optional(listOfText, verifiers, "verifiers"),
    };
    return camel(await this.#run("verify_audit", { ...wire, ...common(rest) }));
  }

  /**
   * Verifies the whole history and signs how far every stream of it goes. Keep the text where those who keep the vault can't
   * change it, for `verifyAudit`. Throws `AUDIT_TAMPERED`.
   */
  async checkpoint(options: CheckpointOptions): Promise<string> {
    const { signingKey, ...rest } = options ?? {};
    const { key, name } = heldBy(signingKey);
    const told = await this.#run("checkpoint", { signer: name, ...common(rest) }, key);
    return (told as { checkpoint: string }).checkpoint;
  }

  /**
   * The whole history as lines of JSON, page by page, each of which is recorded: stream by stream and oldest first, then the
   * old rows of an adopted store. Throws `AUDIT_TAMPERED`.
   *
   * @example
   * for await (const line of vault.exportAudit({ actor: "cron", format: "ocsf" })) file.write(`${line}\n`);
   */
  async *exportAudit(options: ExportAuditOptions): AsyncGenerator<string, void, void> {
    const { format, limit, ...rest } = options ?? {};
    const wire = { format: optional(textOnly, format, "the format"), ...common(rest) };
    for await (const page of this.#pages("export_audit", wire, { limit })) yield* page.lines as string[];
  }

  /** Proposes a change for the actor to confirm; a deletion takes no value. */
  async propose(
    change: "set" | "rotate",
    name: string,
    value: Text | Secret,
    options: SecretOptions,
  ): Promise<Proposed>;
  async propose(change: "delete", name: string, options: SecretOptions): Promise<Proposed>;
  async propose(change: Change, name: string, ...rest: unknown[]): Promise<Proposed> {
    const [value, options] = rest.length > 1 ? rest : [undefined, rest[0]];
    const wire = { change, name, ...common(options as SecretOptions) };
    return camel(await this.#run("propose", wire, value as Text | Secret | undefined));
  }

  /**
   * Confirms a proposal; confirmed again, it tells its first outcome. Throws `CONFIRMATION_NOT_FOUND`,
   * `CONFIRMATION_EXPIRED`, `CONFIRMATION_MISMATCH`, `CHANGED_SINCE_PROPOSED`.
   */
  async confirm(id: string, options: ActorOptions): Promise<Confirmed> {
    const confirmed = (await this.#run("confirm", { id, ...common(options) })) as Confirmed;
    return { ...confirmed, written: written(confirmed.written) };
  }

  /** Withdraws a proposal. Throws `CONFIRMATION_NOT_FOUND`, `CONFIRMATION_MISMATCH`. */
  async cancel(id: string, options: ActorOptions): Promise<void> {
    await this.#run("cancel", { id, ...common(options) });
  }

  /**
   * Keeps a policy in the store: from then on what it does not allow is denied. Throws `UNSUPPORTED` when the policy is fixed
   * in code, `INVALID_ARGUMENT` for one under which the actor could not change it again, `LIMIT_EXCEEDED`.
   */
  async setPolicy(policy: Policy, options: ActorOptions): Promise<void> {
    await this.#run("set_policy", { policy, ...common(options) });
  }

  /** The policy in force. */
  async policy(options: ActorOptions): Promise<PolicyInForce> {
    return camel(await this.#run("policy", common(options)));
  }

  /** Gives a user or a role access to one secret. Throws `SECRET_NOT_FOUND`, `LIMIT_EXCEEDED` beyond 64 grants. */
  async grant(name: string, grant: GrantShape, options: SecretOptions): Promise<Granted> {
    const { to, actions, until, ...unknown } = grant ?? {};
    refuseUnknown(unknown, "a grant");
    const end = until === null ? null : optional(instant, until, "until");
    return camel(await this.#run("grant", { name, to, actions, until: end, ...common(options) }));
  }

  /** Takes a grant back. Throws `SECRET_NOT_FOUND`, `INVALID_ARGUMENT` when there is no such grant. */
  async revoke(name: string, id: string, options: SecretOptions): Promise<void> {
    await this.#run("revoke", { name, id, ...common(options) });
  }

  /** The grants of a secret that have not ended. Throws `SECRET_NOT_FOUND`. */
  async grants(name: string, options: SecretOptions): Promise<Grant[]> {
    return camels(await this.#run("grants", { name, ...common(options) }), "grants");
  }

  /**
   * A copy of a tree of configuration in which `secret:KEY`, `env:VAR` and `file:PATH` are the secrets that they stand for,
   * and `plain:TEXT` is that text. Equal references give the same `Secret`; what is no text stays as it is. A `VAR_FILE` wins
   * over `VAR` when its file exists. The tree is yours: whoever writes it has this process read its variables and files.
   *
   * Throws `REFERENCE_UNRESOLVED`, one for all that stand for nothing, with their places; `REFERENCE_INVALID`,
   * `LIMIT_EXCEEDED`.
   */
  async resolve<T>(tree: T, options: SecretOptions): Promise<Resolved<T>> {
    // The caller's may be another by the time of the answer.
    const own = copyOf(tree);
    const { told, secrets } = await this.#drive("resolve", common(options), treeText(own));
    return resolvedTree(own, told as ResolvedTexts, secrets);
  }

  /** Counts the stored values by key and by format: what a change of keys has left to do. */
  async census(options: ActorOptions): Promise<Census> {
    return (await this.#run("census", common(options))) as Census;
  }

  /**
   * Makes the keyring's first key the vault's, and seals everything anew under it. Cut short, it is begun again: what was
   * done is passed over. Throws `KEYRING_STALE` when that key was retired.
   */
  async rekey(options: RekeyOptions): Promise<Rekeyed> {
    const { onProgress, limit, ...rest } = options ?? {};
    const sums: Rekeyed = { examined: 0, changed: 0, unreadable: 0 };
    for await (const page of this.#pages("rekey", common(rest), { limit }, onProgress)) {
      const { examined, changed, unreadable } = camel<Rekeyed>(page);
      sums.examined += examined;
      sums.changed += changed;
      sums.unreadable += unreadable;
      await onProgress?.({ ...sums });
    }
    return sums;
  }

  /** As `rekey`, page by page: a page is done when it is told of. */
  async *rekeyPages(options: RekeyPagesOptions): AsyncGenerator<RekeyedPage, void, void> {
    const { limit, after, ...rest } = options ?? {};
    for await (const page of this.#pages("rekey", common(rest), { limit, after })) yield camel(page);
  }

  /**
   * Replaces the vault's root, which authenticates its records and events, by a new one: for one that leaked. Cut short, it
   * is begun again, and goes on. After it, what carries a MAC of the root before is refused, and its events are still
   * verified. Then rekey with a fresh key and retire the old one. Throws `KEYRING_STALE`, `RECORD_TAMPERED`.
   */
  async renewRoot(options: RekeyOptions): Promise<Renewed> {
    const { onProgress, limit, ...rest } = options ?? {};
    const sums: Renewed = { epoch: 0, examined: 0, changed: 0, unreadable: 0 };
    for await (const page of this.#pages("renew_root", common(rest), { limit }, onProgress)) {
      const { epoch, examined, changed, unreadable } = camel<Renewed>(page);
      sums.epoch = epoch;
      sums.examined += examined;
      sums.changed += changed;
      sums.unreadable += unreadable;
      await onProgress?.({ ...sums });
    }
    return sums;
  }

  /** As `renewRoot`, page by page: a page is done when it is told of. */
  async *renewRootPages(options: RekeyPagesOptions): AsyncGenerator<RenewedPage, void, void> {
    const { limit, after, ...rest } = options ?? {};
    for await (const page of this.#pages("renew_root", common(rest), { limit, after })) yield camel(page);
  }

  /**
   * Disables a key that nothing needs any more; called again, it marks the key as destroyed, never to be used again. Throws
   * `KEY_IN_USE`, saying by what, and `KEY_UNKNOWN`.
   */
  async retire(keyId: string, options: ActorOptions): Promise<Retired> {
    return camel(await this.#run("retire", { key_id: keyId, ...common(options) }));
  }

  /**
   * Reads up to 500 values at once, by name, all or none. Throws one error that tells all problems: what `get` throws,
   * `LIMIT_EXCEEDED`.
   */
  async getMany(names: string[], options: SecretOptions): Promise<Map<string, Secret>> {
    const wire = { names: listOfText(names, "the names"), ...common(options) };
    const { told, secrets } = await this.#drive("get_many", wire);
    const details = camels<SecretDetails>(told, "secrets");
    // By the names that were sent: the caller's list may be another by now.
    return new Map(secrets.map((secret, at) => [wire.names[at] as string, new Secret(secret, details[at])]));
  }

  /**
   * Gives up to 500 secrets values at once, all or none. Throws one error that tells all problems: what `set` throws,
   * `SECRET_EXISTS`, `VERSION_COMPROMISED`.
   *
   * @example
   * await vault.setMany({ A: "one", B: { generate: "hex" }, C: { value: "three", notify: ["ops"] } }, { actor });
   */
  async setMany(values: ManyValues, options: SetManyOptions): Promise<WrittenMany> {
    const many = entriesOf(values);
    return this.#writeMany("set_many", { ...many, wire: { ...many.wire, ...writing(options) } });
  }

  /**
   * Imports variables of the environment: those that begin with `SECRET_`, without it, unless told otherwise. Throws what
   * `setMany` throws; `INVALID_ARGUMENT` when one of `names` is not set; `UNSUPPORTED` in the browser.
   */
  async importEnv(options: ImportEnvOptions): Promise<WrittenMany> {
    return this.#writeMany("import_env", variablesOf(options));
  }

  /** Imports the variables of a `.env` file, given as its text. Throws what `setMany` throws; `INVALID_ARGUMENT`, with the line. */
  async importDotenv(text: Text | Secret, options: ImportDotenvOptions): Promise<WrittenMany> {
    return writtenMany(await this.#run("import_dotenv", dotenvOptions(options), text));
  }

  /**
   * Makes the secrets that a manifest asks for, where there are none and the entry has a generator, and tells how all entries
   * stand; plain ones are looked up in the environment, where there is one. Throws `INVALID_ARGUMENT` for an environment that
   * the manifest does not have, `MANIFEST_INVALID`, `LIMIT_EXCEEDED` beyond 500 secrets.
   */
  async provision(manifest: Manifest, options: ManifestOptions): Promise<ManifestReport> {
    const { wire, values } = heldUp(manifest, options);
    return report((await this.#drive("provision", wire, undefined, { offered: values })).told);
  }

  /** Tells how the entries of a manifest stand: which are missing, weak or placeholders, and why; no value. Throws as `provision`. */
  async check(manifest: Manifest, options: ManifestOptions): Promise<ManifestReport> {
    const { wire, values } = heldUp(manifest, options);
    return report((await this.#drive("check", wire, undefined, { offered: values })).told);
  }

  async #writeMany(operation: string, { wire, values }: Many): Promise<WrittenMany> {
    return writtenMany((await this.#drive(operation, wire, undefined, { offered: values })).told);
  }

  /**
   * Exports secrets as an age file, which the `age` command opens: all, those of a namespace, or those of some names; with
   * all versions and settings and, unless told otherwise, their history. Each has an event of it; what can't be opened
   * refuses the whole. Throws one error that tells all problems: `SECRET_NOT_FOUND`, `NOT_AUTHENTIC`; `AUDIT_TAMPERED`,
   * `LIMIT_EXCEEDED`, `VALUE_INVALID` for the passphrase; `UNSUPPORTED` in a browser, until the module for it is loaded.
   */
  async export(options: ExportOptions): Promise<Uint8Array> {
    return await exported(this.#drive.bind(this), options);
  }

  /**
   * Imports the age file of an export, all or nothing: new secrets with all their versions, sealed under this vault's key;
   * those that are there fail the whole, are skipped, or are replaced by a new version. Their history comes along, and is
   * closed. Throws `BACKUP_INVALID`, with the reason, for what can't be opened or is no archive; `SECRET_EXISTS`,
   * `VALUE_INVALID`, `VERSION_COMPROMISED`, `SECRET_EXPIRED`, `LIMIT_EXCEEDED`; `UNSUPPORTED` as `export`.
   */
  async import(data: Text, options: ImportOptions): Promise<ImportReport> {
    return await imported(this.#drive.bind(this), data, options);
  }

  /** Adopts rows that another program wrote into the store after its adoption; until then they are refused. */
  async adopt(options: ActorOptions): Promise<{ secrets: number; events: number }> {
    return (await this.#run("adopt", common(options))) as { secrets: number; events: number };
  }

  /**
   * Copies the vault to another store, an empty one, with its history: all answers are the same there.
   *
   * Nobody may use the vault meanwhile. A copy that was cut short is no vault, and every operation refuses it: empty that
   * store and copy again. Throws `INVALID_ARGUMENT` for a target that is not empty, `CONFLICT` when the vault was used
   * meanwhile, `RECORD_TAMPERED`, `AUDIT_TAMPERED`.
   */
  async copyTo(target: Store, options: ActorOptions): Promise<Copied> {
    if (!isStore(target))
      throw invalid("that is no store to copy to: it has the methods load, list, commit and events");
    return camel((await this.#drive("copy_to", common(options), undefined, { target })).told);
  }

  /**
   * Runs a chat command such as `secret get NAME` and answers in words, values masked. Throws only what the sender can
   * do nothing about, such as `STORAGE_FAILED`; refusals are answered in words, with their `code`.
   */
  async command(text: string, options: ActorOptions): Promise<CommandReply> {
    return camel(await this.#run("command", common(options), text));
  }

  /**
   * What this vault has seen since it was opened, in the text format of Prometheus: every name begins with the prefix,
   * `strongroom` unless told otherwise, and `_`. `docs/metrics.md` has them all. It asks nothing of the store. Throws
   * `INVALID_ARGUMENT` for a prefix that is none.
   */
  metrics(options: { prefix?: string | undefined } = {}): string {
    const { prefix = "strongroom", ...unknown } = options ?? {};
    refuseUnknown(unknown, "the options");
    textOnly(prefix, "the prefix");
    return guarded(() => this.#native.metrics(prefix), "metrics");
  }

  async #sweep(operation: string, options: SweepOptions, more: Wire = {}): Promise<Swept> {
    const { graceMillis, limit, onProgress, ...rest } = options ?? {};
    const grace = optional(wholeNumber, graceMillis, "graceMillis");
    const wire = { ...more, grace_millis: grace, ...common(rest) };
    const swept: Swept = { rotated: [], left: [] };
    for await (const page of this.#pages(operation, wire, { limit }, onProgress)) {
      swept.rotated.push(...camels<Written>(page, "rotated"));
      swept.left.push(...camels<LeftOver>(page, "left"));
      await onProgress?.({ rotated: swept.rotated.length, left: swept.left.length });
    }
    return swept;
  }

  /** The pages of an operation, each done when it is given, from where the one before ended. */
  async *#pages(
    operation: string,
    wire: Wire,
    { limit, after }: { limit?: number | undefined; after?: string | undefined },
    onProgress?: unknown,
  ): AsyncGenerator<Wire, void, void> {
    if (onProgress !== undefined && typeof onProgress !== "function")
      throw invalid("onProgress must be a function");
    const sized = { limit: optional(wholeNumber, limit, "limit"), ...wire };
    let next = after;
    do {
      const page = (await this.#run(operation, { after: next, ...sized })) as Wire;
      next = (page.next ?? undefined) as string | undefined;
      yield page;
    } while (next !== undefined);
  }

  async #run(operation: string, wire: Wire, value?: Text | Secret): Promise<unknown> {
    return (await this.#drive(operation, wire, value)).told;
  }

  async #drive(operation: string, wire: Wire, value?: Text | Secret, { offered = [], ...more }: Beside = {}) {
    const own = value === undefined || value instanceof Secret ? undefined : Secret.of(value);
    const secret = own ?? (value as Secret | undefined);
    let session: NativeSession;
    try {
      const text = json({ op: operation, ...wire });
      const handle = secret === undefined ? undefined : handleOf(secret);
      session = guarded(() => this.#native.begin(text, handle), operation);
    } finally {
      own?.wipe(); // The session has its copy, if it came to one.
    }
    try {
      for (const value of offered) offer(session, value, operation);
    } catch (error) {
      session.close();
      throw error;
    }
    return await drive(session, { ...this.#host, ...more }, operation); // Awaited, so that an error's stack shows who called.
  }
}

/** What an operation has beside its value: who makes new ones, another store, and the values of one on many. */
interface Beside {
  rotator?: Rotator | undefined;
  target?: Store | undefined;
  offered?: (Text | Secret)[];
}

/** Gives a session one of the values of an operation on many. */
function offer(session: NativeSession, value: Text | Secret, operation: string): void {
  const own = value instanceof Secret ? undefined : Secret.of(value);
  try {
    guarded(() => session.offer(handleOf(own ?? (value as Secret))), operation);
  } finally {
    own?.wipe();
  }
}

function isStore(store: Store): boolean {
  const callbacks = [store?.load, store?.list, store?.commit, store?.events];
  return callbacks.every((callback) => typeof callback === "function");
}

function checkRotator(rotator: Rotator): void {
  const isRotator =
    typeof rotator?.create === "function" &&
    (rotator.activate === undefined || typeof rotator.activate === "function");
  if (!isRotator)
    throw invalid("that is no rotator: it has a method create and, if there is something to do, activate");
}
