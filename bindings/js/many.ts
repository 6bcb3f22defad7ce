/** What operations on many secrets take, as the core names it: values apart, in the order of what they are for. */
import { invalid, listOfText, optional, refuseUnknown, textOnly } from "./arguments.js";
import { StrongroomError } from "./errors.js";
import { type Manifest, textOf } from "./manifest.js";
import { type Environment, environment, type Text } from "./native.js";
import type {
  ImportDotenvOptions,
  ImportEnvOptions,
  ManyValues,
  NewValue,
  SetManyOptions,
} from "./options.js";
import type { EntryReport, ManifestReport, Skipped, Written, WrittenMany } from "./results.js";
import { Secret } from "./secret.js";
import { camels, common, expiry, newValue, type Wire } from "./wire.js";

/** An operation and its values. */
export interface Many {
  wire: Wire;
  values: (Text | Secret)[];
}

/** The entries of a write of many. */
export function entriesOf(values: ManyValues): Many {
  if (typeof values !== "object" || values === null || values instanceof Secret)
    throw invalid("the values must be an object or a Map, by name");
  const pairs = values instanceof Map ? [...values] : Object.entries(values);
  const many: Many = { wire: {}, values: [] };
  many.wire.entries = pairs.map(([name, given]: [string, unknown]) => {
    const [value, told] = described(given);
    const [made, text] = value === undefined ? [{}] : newValue(value);
    if (text !== undefined) many.values.push(text);
    return { name: textOnly(name, "a name"), ...made, ...told };
  });
  return many;
}

/** A value and what is told of it. */
function described(given: unknown): [NewValue | undefined, Wire] {
  if (typeof given !== "object" || given === null || !("value" in given)) return [given as NewValue, {}];
  const { value, sensitivity, notify, generator, expiresAt, expiresInMillis, ...unknown } = given as Record<
    string,
    never
  >;
  refuseUnknown(unknown, "the fields of a new secret");
  return [value, { sensitivity, notify, generator, ...expiry({ expiresAt, expiresInMillis }) }];
}

/** What becomes of those that are there, and the options that every operation has. */
export function writing(options: SetManyOptions): Wire {
  const { ifExists, dryRun, ...rest } = options ?? {};
  return { if_exists: ifExists, dry_run: dryRun, ...common(rest) };
}

/** The variables that are to be imported. Throws `UNSUPPORTED` where there is no environment. */
export function variablesOf(options: ImportEnvOptions): Many {
  const { prefix = "SECRET_", names, ...rest } = options ?? {};
  const [start, wanted] = [textOnly(prefix, "the prefix"), optional(listOfText, names, "names")];
  const all = environment();
  if (all === undefined)
    throw new StrongroomError("UNSUPPORTED", "there is no environment here: use importDotenv or setMany", {
      operation: "import_env",
    });
  const begins = (name: string) => name.startsWith(start) && name !== start;
  const chosen = wanted ?? Object.keys(all).filter(begins).sort();
  const variables = chosen.map((name) => ({ name, is_set: variableOf(all, name) !== undefined }));
  const wire = { variables, prefix: wanted === undefined ? start : "", ...writing(rest) };
  return { wire, values: chosen.flatMap((name) => variableOf(all, name) ?? []) };
}

/** A variable's own value: what every object inherits is none. */
function variableOf(all: Environment, name: string): string | undefined {
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

/** How a `.env` file is to be imported. */
export function dotenvOptions(options: ImportDotenvOptions): Wire {
  const { prefix, ...rest } = options ?? {};
  return { prefix: optional(textOnly, prefix, "the prefix"), ...writing(rest) };
}

/** A manifest, with the values that its plain entries have in the environment, where there is one. */
export function heldUp(
  manifest: Manifest,
  options: { environment?: string | undefined; actor: unknown },
): Many {
  const { environment: name, ...rest } = options ?? {};
  const tree = JSON.parse(textOf(manifest)) as { entries: { name: string; kind: string }[] };
  const all = environment();
  const plain = new Set(tree.entries.filter(({ kind }) => kind === "plain").map((entry) => entry.name));
  const found =
    all === undefined ? undefined : [...plain].filter((variable) => variableOf(all, variable) !== undefined);
  const wire = { manifest: tree, environment: name, plain: found, ...common(rest as never) };
  return { wire, values: (found ?? []).flatMap((variable) => variableOf(all ?? {}, variable) ?? []) };
}

export function writtenMany(told: unknown): WrittenMany {
  const { skipped, dry_run } = told as { skipped: Skipped[]; dry_run: boolean };
  return { written: camels<Written>(told, "written"), skipped, dryRun: dry_run };
}

export function report(told: unknown): ManifestReport {
  const { environment: name, ok } = told as { environment: string | null; ok: boolean };
  return { environment: name ?? undefined, ok, entries: camels<EntryReport>(told, "entries") };
}
