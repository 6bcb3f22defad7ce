/** The vault in one file that only its owner can read. */
import { Answering, havingDoneNothing } from "../../bindings/js/answering.js";
import { optional, refuseUnknown, textOnly } from "../../bindings/js/arguments.js";
import { size } from "../../bindings/js/document.js";
import { type ErrorCode, guarded, StrongroomError, translated } from "../../bindings/js/errors.js";
import { type NativeFile, native } from "./native.js";

export interface FileStoreOptions {
  /** How long to wait for other writers, in milliseconds; 10000 unless told otherwise. */
  lockTimeout?: number;
  /** How long the file is at most, in bytes; 64 MiB unless told otherwise. */
  limit?: number;
}

export interface BackupOptions {
  /** Whether what is there already may be replaced; it may not unless told otherwise. */
  replace?: boolean;
}

type Failed = { failed: { applied: "no" | "unknown"; code: ErrorCode; message: string } };

/**
 * A store in a file. It does not exist until the first change.
 *
 * The file is replaced whole, under the lock `<path>.lock`, which stays beside it: whoever is killed on the way leaves
 * the old content or the new one. A file that others can read or write is refused, and so is a link. Every change writes
 * the whole file, in a thread of its own; requests take turns. What fails is the cause of a `STORAGE_FAILED`.
 *
 * @example
 * const store = new FileStore("secrets.json.enc");
 * const vault = new Vault({ keyring: Keyring.fromEnv(), store });
 */
export class FileStore extends Answering {
  readonly #file: NativeFile;

  /** Nothing is opened yet. Throws `INVALID_ARGUMENT` for a path without a file's name. */
  constructor(path: string, { lockTimeout, limit, ...unknown }: FileStoreOptions = {}) {
    super();
    refuseUnknown(unknown, "the options of a file store");
    const [bytes, millis] = [optional(size, limit, "limit"), optional(size, lockTimeout, "lockTimeout")];
    this.#file = guarded(() => native.makeFile(textOnly(path, "the path"), bytes, millis));
  }

  /**
   * Copies the file to another path, reads the copy back and compares it; gives its checksum, as hex. The copy is as
   * private as the file, and `cp` puts it back. Throws `INVALID_ARGUMENT` when something is there already, and
   * `STORAGE_FAILED`.
   */
  async backup(to: string, { replace = false, ...unknown }: BackupOptions = {}): Promise<string> {
    refuseUnknown(unknown, "the options of a backup");
    const path = textOnly(to, "the path of the backup");
    return await this.inTurn(() => this.#file.backup(path, replace === true)).catch(rethrow);
  }

  protected override async answered(request: string): Promise<string> {
    const text = await this.#file.answer(request).catch(rethrow);
    if (!text.startsWith(FAILED)) return text;
    const { applied, code, message } = (JSON.parse(text) as Failed).failed;
    const error = new StrongroomError(code, message);
    throw applied === "no" ? havingDoneNothing(error, request) : error;
  }
}

const FAILED = '{"failed":';

function rethrow(error: unknown): never {
  throw translated(error);
}
