/** The manifest: what an application needs, of which form, in which environment. */
import { invalid, optional, refuseUnknown, textOnly, textOrBytes } from "./arguments.js";
import { guarded } from "./errors.js";
import { native, type Text } from "./native.js";
import type { Generator, Sensitivity } from "./options.js";

/** In what a manifest is written; `dotenv` is a `.env.example`. The browser's package reads `json` and `dotenv`. */
export type ManifestFormat = "yaml" | "json" | "toml" | "dotenv";

/** One thing that an application needs. */
export interface ManifestEntry {
  namespace: string;
  /** Of a plain entry, the variable's. */
  name: string;
  kind: "secret" | "plain";
  type: "text" | "int" | "bool" | "url";
  /** Those it is needed in; all when absent. */
  environments: string[] | undefined;
  default: string | undefined;
  required: boolean;
  pattern: string | undefined;
  minimumLength: number | undefined;
  classes: ("lower" | "upper" | "digit" | "symbol")[];
  sensitivity: Sensitivity | undefined;
  generator: Generator | undefined;
  note: string | undefined;
  notify: string[];
}

type Tree = { environments?: string[]; entries: Record<string, unknown>[] };

const texts = new WeakMap<Manifest, string>();

/** The manifest as JSON, for the modules of this package. */
export function textOf(manifest: Manifest): string {
  const text = texts.get(manifest);
  if (text === undefined) throw invalid("not a Manifest of this package: use Manifest.parse");
  return text;
}

/**
 * What an application needs: rules, and no values of secrets.
 *
 * @example
 * const entries = [{ name: "SESSION_KEY", generator: "token_urlsafe", minimum_length: 32 }];
 * const manifest = Manifest.parse(JSON.stringify({ version: 1, entries }), { format: "json" });
 * manifest.entries[0].minimumLength; // 32
 */
export class Manifest {
  /** @internal Use `Manifest.parse`. */
  constructor(text: string) {
    texts.set(this, text);
  }

  /**
   * A manifest from text. Throws `MANIFEST_INVALID`, which tells all that is wrong; `LIMIT_EXCEEDED` beyond 10 MiB or 10,000
   * entries; `UNSUPPORTED` for YAML and TOML in the browser.
   */
  static parse(text: Text, options: { format?: ManifestFormat | undefined } = {}): Manifest {
    const { format = "yaml", ...unknown } = options;
    refuseUnknown(unknown, "the options");
    const [checked, name] = [textOrBytes(text, "the manifest"), textOnly(format, "the format")];
    return new Manifest(guarded(() => native().readManifest(checked, name)));
  }

  /** The environments that it declares; none when it leaves them open. */
  get environments(): string[] {
    return (JSON.parse(textOf(this)) as Tree).environments ?? [];
  }

  /** The entries, in the order of the manifest. */
  get entries(): ManifestEntry[] {
    const told = ({ minimum_length, ...entry }: Record<string, unknown>) => {
      const fields = Object.entries({ ...entry, minimumLength: minimum_length });
      return Object.fromEntries(fields.map(([key, value]) => [key, value ?? undefined]));
    };
    return (JSON.parse(textOf(this)) as Tree).entries.map(told) as unknown as ManifestEntry[];
  }

  /**
   * The text of a `.env.example`: notes and rules as comments, `NAME=default` for plain entries, `NAME=` for secrets. Throws
   * `INVALID_ARGUMENT` for an environment that the manifest does not have.
   */
  toDotenvExample(options: { environment?: string | undefined } = {}): string {
    const { environment, ...unknown } = options;
    refuseUnknown(unknown, "the options");
    const name = optional(textOnly, environment, "the environment");
    return guarded(() => native().manifestExample(textOf(this), name));
  }
}
