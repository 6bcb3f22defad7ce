/** A store in anything that keeps one text and can say whether it changed: an object in a bucket, a value in a cache. */

import { Answering, havingDoneNothing } from "./answering.js";
import { invalid, optional, refuseUnknown, wholeNumber } from "./arguments.js";
import type { Answer } from "./contract.js";
import { translated } from "./errors.js";
import { type NativeAnswered, type NativeDocument, native } from "./native.js";

/** A content, and what tells it apart from any other, such as an ETag. */
export interface Tagged<Tag> {
  content: Uint8Array;
  tag: Tag;
}

/** Where one text is kept. What its callbacks throw is the cause of a `STORAGE_FAILED`. */
export interface DocumentPlace<Tag> {
  /** The content as it is now; nothing where there is none yet. A place that does not say so throws: it may have one. */
  read(): Promise<Tagged<Tag> | undefined> | Tagged<Tag> | undefined;
  /**
   * Writes a content whole if what is there still has the tag, or, for `undefined`, if there still is nothing; in one
   * step with the comparison, as a conditional put is. When it is not known whether it was written, it throws, is asked
   * again, and what is read then shows it.
   */
  write(content: Uint8Array, tag: Tag | undefined): Promise<DocumentWritten> | DocumentWritten;
}

export type DocumentWritten = "written" | "conflict";

export interface DocumentOptions {
  /** How long the document is at most, in bytes; 64 MiB unless told otherwise. */
  limit?: number;
}

/** How often a commit begins again when others came first, before the vault is told, which waits and tries again. */
const TRIES = 8;

/**
 * A store over a place for one text. Every request reads all of it, and every change writes all of it; requests take
 * turns. In the browser it needs `init()`.
 *
 * @example
 * const store = new DocumentStore<string>({
 *   async read() {
 *     const response = await fetch(url);
 *     if (response.status === 404) return undefined;
 *     const tag = response.headers.get("etag");
 *     if (!response.ok || tag === null) throw new Error(`the bucket answered ${response.status}`);
 *     return { content: new Uint8Array(await response.arrayBuffer()), tag };
 *   },
 *   async write(content, tag) {
 *     const condition: Record<string, string> = tag === undefined ? { "If-None-Match": "*" } : { "If-Match": tag };
 *     const body = content as Uint8Array<ArrayBuffer>;
 *     const { ok, status } = await fetch(url, { method: "PUT", headers: condition, body });
 *     if (status === 412) return "conflict";
 *     if (!ok) throw new Error(`the bucket answered ${status}`);
 *     return "written";
 *   },
 * });
 */
export class DocumentStore<Tag> extends Answering {
  readonly #place: DocumentPlace<Tag>;
  readonly #document: NativeDocument;

  constructor(place: DocumentPlace<Tag>, { limit, ...unknown }: DocumentOptions = {}) {
    super();
    refuseUnknown(unknown, "the options of a document store");
    this.#place = place;
    this.#document = native().makeDocument(optional(size, limit, "limit"));
  }

  protected override async answered(request: string): Promise<string> {
    for (let tried = 0; tried < TRIES; tried += 1) {
      const found = (await this.#place.read()) ?? undefined;
      const { answer, text } = await this.#over(found?.content, request).catch((error: unknown) => {
        // To a client that repeats a put whose reply got lost, its own write is a conflict.
        throw tried === 0 ? havingDoneNothing(error, request) : error;
      });
      if (text == null) return answer;
      const written = await this.#place.write(text, found?.tag);
      if (written === "written") return answer;
      if (written !== "conflict") throw new TypeError('`write` gives "written" or "conflict"');
    }
    return JSON.stringify({ commit: "conflict" } satisfies Answer);
  }

  async #over(content: Uint8Array | undefined, request: string): Promise<NativeAnswered> {
    try {
      return await this.#document.answer(request, content);
    } catch (error) {
      throw translated(error);
    }
  }
}

/** A whole number from 0 on, as large as the native parts take it. */
export function size(value: unknown, what: string): number {
  const number = wholeNumber(value, what);
  if (number < 0) throw invalid(`${what} must not be negative`);
  return Math.min(number, 2 ** 32 - 1);
}
