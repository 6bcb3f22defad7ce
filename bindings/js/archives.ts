/** Export and import: what they take and tell, and who makes and opens the age files. */
import { invalid, listOfText, optional, refuseUnknown, textOrBytes } from "./arguments.js";
import type { Outcome } from "./driver.js";
import { guarded, isStrongroomError, StrongroomError } from "./errors.js";
import type { Text } from "./native.js";
import type { ActorOptions, SetManyOptions } from "./options.js";
import { Secret } from "./secret.js";
import { camel, camels, common, type Wire } from "./wire.js";

/** For whom an age file is, and which secrets are in it. */
export interface ExportOptions extends ActorOptions {
  /** At least 8 characters; it takes a second. Either this, or recipients. */
  passphrase?: Text | Secret | undefined;
  /** `age1...` keys, as `age-keygen` makes them; at most 64. */
  recipients?: string[] | undefined;
  /** All unless told otherwise. */
  namespace?: string | undefined;
  /** Those of these names, in the namespace. */
  names?: string[] | undefined;
  /** Whether what happened to them goes with them; it does unless told otherwise. */
  history?: boolean | undefined;
  /** Whether the file is text. */
  armor?: boolean | undefined;
}

/** What an age file is opened with, and what becomes of secrets that are there. */
export interface ImportOptions extends ActorOptions {
  /** Either this, or identities. */
  passphrase?: Text | Secret | undefined;
  /** `AGE-SECRET-KEY-1...` keys, or the whole files that `age-keygen` wrote. */
  identities?: (Text | Secret)[] | undefined;
  /** They fail the whole unless told otherwise. */
  onConflict?: SetManyOptions["ifExists"];
  /** Whether it is told alone what would be done; that it was asked is recorded. */
  dryRun?: boolean | undefined;
}

/** What an import did, or would do. */
export interface ImportReport {
  /** Which vault the archive is of. */
  vaultId: string;
  /** When it was made. */
  exportedAt: Date;
  /** In the order of the archive. */
  secrets: Imported[];
  /** How many events of their history came with them. */
  events: number;
  /** Whether nothing was done, and this is what would be. */
  dryRun: boolean;
}

/** What becomes of a secret of an archive. */
export interface Imported {
  namespace: string;
  name: string;
  /**
   * `unchanged`: it has that value already, which is told to its readers alone, others replace it; `refused`, in dry runs alone: nothing
   * can be imported because of it.
   */
  outcome: "created" | "replaced" | "unchanged" | "skipped" | "refused";
  /** The version that is current then; absent for one that is refused. */
  version: number | undefined;
  /** Why it is refused, such as `SECRET_EXISTS`. */
  code: string | undefined;
  /** The same in words. */
  message: string | undefined;
}

/** What makes and opens age files where the native part does not: a module of its own. */
export interface AgeModule {
  /** The age file of an archive, for a passphrase or for recipients. */
  seal(archive: Uint8Array, passphrase: Text | undefined, recipients: string[], armor: boolean): Uint8Array;
  /** The archive in an age file, opened with a passphrase or with identities. */
  open(file: Uint8Array, passphrase: Text | undefined, identities: Text[]): Uint8Array;
}

/** Null where one is needed and none is loaded. */
let age: AgeModule | null | undefined;

/** Called by the module, once it is loaded. */
export function sealedBy(module: AgeModule): void {
  age = module;
}

/** Called by the entry of a package whose native part knows no age files. */
export function sealedElsewhere(): void {
  age ??= null;
}

/** The module, where there is one. Throws `UNSUPPORTED` where it is yet to be loaded. */
function ageModule(operation: string): AgeModule | undefined {
  if (age !== null) return age;
  const message =
    "archives are made by a module of their own: `await initArchives()` of strongroom-web/archive first";
  throw new StrongroomError("UNSUPPORTED", message, { operation });
}

/** How a vault drives an operation. */
type Drive = (
  operation: string,
  wire: Wire,
  value?: Text | Secret,
  beside?: { offered?: (Text | Secret)[] },
) => Promise<Outcome>;

/** The age file of an export. */
export async function exported(drive: Drive, options: ExportOptions): Promise<Uint8Array> {
  const { passphrase, recipients, names, history, armor, ...rest } = options ?? {};
  if ((passphrase === undefined) === (recipients === undefined))
    throw invalid("an archive is for a passphrase or for recipients: give one of the two");
  const wire = { names: optional(listOfText, names, "names"), history, ...common(rest) };
  const keys = optional(listOfText, recipients, "recipients");
  const age = ageModule("export");
  if (age === undefined)
    return bytesOf(await drive("export", { recipients: keys, armor, ...wire }, passphrase));
  const archive = bytesOf(await drive("export", { plain: true, ...wire }));
  try {
    return guarded(() => age.seal(archive, bare(passphrase), keys ?? [], armor === true), "export");
  } finally {
    archive.fill(0);
  }
}

/** What an import of a file came to. */
export async function imported(drive: Drive, data: Text, options: ImportOptions): Promise<ImportReport> {
  const { passphrase, identities = [], onConflict, dryRun, actor, ...unknown } = options ?? {};
  refuseUnknown(unknown, "the options");
  if (!Array.isArray(identities)) throw invalid("identities must be an array");
  if ((passphrase === undefined) === (identities.length === 0))
    throw invalid("an archive is opened with a passphrase or with identities: give one of the two");
  const file = textOrBytes(data, "the archive");
  const wire = { on_conflict: onConflict, dry_run: dryRun, ...common({ actor }) };
  const age = ageModule("import");
  if (age === undefined) {
    const by = { with: passphrase === undefined ? "identities" : "passphrase", ...wire };
    return report(
      await drive("import", by, file, { offered: passphrase === undefined ? identities : [passphrase] }),
    );
  }
  let [archive, refusal]: [Uint8Array, unknown?] = [new Uint8Array()];
  try {
    const bytes = typeof file === "string" ? new TextEncoder().encode(file) : file;
    archive = guarded(() => age.open(bytes, bare(passphrase), identities.map(bare) as Text[]), "import");
  } catch (error) {
    refusal = error;
  }
  try {
    return report(await drive("import", { with: "plain", ...wire }, archive));
  } catch (error) {
    // What could not be opened is refused on the record too; the reason is the module's.
    throw isStrongroomError(error, "BACKUP_INVALID") ? (refusal ?? error) : error;
  } finally {
    archive.fill(0);
  }
}

function bytesOf({ secrets: [handle] }: Outcome): Uint8Array {
  if (handle === undefined) throw new TypeError("the native part gave no archive");
  try {
    return guarded(() => handle.revealBytes());
  } finally {
    handle.wipe();
  }
}

/** What crosses to another module. */
function bare(value: Text | Secret | undefined): Text | undefined {
  if (value === undefined) return undefined;
  return value instanceof Secret ? value.revealBytes() : textOrBytes(value, "a passphrase or an identity");
}

function report({ told }: Outcome): ImportReport {
  return { ...camel<ImportReport>(told), secrets: camels<Imported>(told, "secrets") };
}
