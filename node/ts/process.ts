/** The environment of this process, and the files that it can read. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { Secret } from "../../bindings/js/secret.js";

/** The largest file that is read, in bytes: sixteen times the longest value that a vault takes unless told otherwise. */
const FILE_MAX = 1024 * 1024;

/** Not what the object inherits. */
export function readEnv(name: string): string | undefined {
  return Object.hasOwn(process.env, name) ? process.env[name] : undefined;
}

/** Throws what the system says, and for what is no file or too long. */
export async function readFile(path: string): Promise<Secret | undefined> {
  // Nothing to wait for: to open a pipe is otherwise to wait for whoever writes into it.
  const opened = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(unlessMissing);
  if (opened === undefined) return undefined;
  let content: Buffer | undefined;
  try {
    const { size } = await regular(opened);
    // As much as it can be, and one byte more, which tells that it is more: files of the kernel's say that they are empty.
    content = Buffer.alloc((size === 0 ? FILE_MAX : size) + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < content.length; length += read) {
      ({ bytesRead: read } = await opened.read(content, length));
    }
    if (length === content.length) throw refused();
    return Secret.of(content.subarray(0, length));
  } finally {
    content?.fill(0);
    await opened.close();
  }
}

type Opened = Awaited<ReturnType<typeof open>>;

async function regular(opened: Opened) {
  const stats = await opened.stat();
  if (!stats.isFile() || stats.size > FILE_MAX) throw refused();
  return stats;
}

/** A part of the path that is no folder: there is no such file either. */
function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  // Without the path: where one was expected, somebody may have put a value.
  throw Object.assign(new Error(`the file could not be opened: ${error.code}`), { code: error.code });
}

const refused = () => new Error("it is no file of at most 1 MiB");
