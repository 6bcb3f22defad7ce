"""Searches the whole memory of another process for secrets, by `/proc/PID/mem`: no help of the process is needed, and
what its allocator holds free is searched like everything else.
"""

from __future__ import annotations

import base64
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

PIECE = 16
"""How many octets of a secret must have survived, at a multiple of it, to be found: freed, it has lost the first."""

CHUNK = 1 << 24
PAGE = os.sysconf("SC_PAGE_SIZE")

NOT_SEARCHED = [["[stack]"], ["[vvar]"], ["[vvar_vclock]"], ["[vsyscall]"]]
"""The stack; and the kernel's own pages, which hold nothing of the process, and not all of which can be read."""

# What /proc/PID/pagemap says of a page: it is in memory or swapped out; it belongs to a file.
PAGE_EXISTS = 1 << 63 | 1 << 62
PAGE_OF_FILE = 1 << 61

ENCODINGS = ("octets", "utf-16", "hex", "base64")


@dataclass(frozen=True)
class Found:
    """A piece of a secret: what it belongs to, how it is encoded, and in which region of the memory it lies."""

    secret: str
    encoding: str
    region: str
    address: int


@dataclass(frozen=True)
class Region:
    start: int
    end: int
    name: str
    is_copy_of_file: bool
    """Its pages are those of a file until they are written."""


def why_not(pid: int) -> str | None:
    """Why the kernel does not let the memory of a process be searched; `None` when it does."""
    try:
        for name in ("maps", "mem", "pagemap"):
            with Path(f"/proc/{pid}/{name}").open("rb"):
                pass
    except OSError as error:
        return f"the memory of another process can't be read here: {error}"
    return None


def needles_of(secret: bytes) -> list[tuple[str, bytes]]:
    """What to look for: every piece of a secret, in every encoding."""
    if len(secret) < 2 * PIECE:
        raise ValueError("a secret is too short for a piece of it to survive in a freed buffer")
    starts = range(0, len(secret) - PIECE + 1, PIECE)
    return sorted({needle for start in starts for needle in _encoded(secret[start : start + PIECE])})


def _encoded(piece: bytes) -> Iterator[tuple[str, bytes]]:
    yield "octets", piece
    yield "utf-16", piece.decode("latin-1").encode("utf-16-le")
    yield "hex", piece.hex().encode()
    for before in range(3):
        # The characters that lie within the piece alone, when so many octets come before it.
        characters = base64.b64encode(b"\0" * before + piece)[-(-before * 8 // 6) : (before + PIECE) * 8 // 6]
        yield "base64", characters
        yield "base64", characters.translate(bytes.maketrans(b"+/", b"-_"))


def search(pid: int, secrets: dict[str, bytes], encodings: Sequence[str] = ENCODINGS) -> list[Found]:
    """All that a process has in its memory, searched for secrets by name; one find for each needle and region.

    All but its main stack: what functions had there stays until others come to use the place, and nothing is promised
    of it.
    """
    needles = [(name, *needle) for name, secret in secrets.items() for needle in needles_of(secret)]
    wanted = [needle for needle in needles if needle[1] in encodings]
    overlap = max(len(needle) for _, _, needle in wanted) - 1
    found: list[Found] = []
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for region in _regions(pid):
            left = set(wanted)
            for start, octets in _chunks(pid, memory, region, overlap):
                hits = {each: start + octets.find(each[2]) for each in left if each[2] in octets}
                found += [Found(each[0], each[1], region.name, address) for each, address in hits.items()]
                left -= hits.keys()
    finally:
        os.close(memory)
    return sorted(found, key=lambda each: each.address)


def _regions(pid: int) -> Iterator[Region]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        place, permissions, _, _, inode, *name = line.split(maxsplit=5)
        start, end = (int(address, 16) for address in place.split("-"))
        if permissions.startswith("r") and name[:1] not in NOT_SEARCHED:
            yield Region(start, end, name[0] if name else "anonymous", permissions[3] == "p" and inode != "0")


def _chunks(pid: int, memory: int, region: Region, overlap: int) -> Iterator[tuple[int, bytes]]:
    for run_start, run_end in _written(pid, region):
        start = run_start
        while start < run_end:
            octets = os.pread(memory, min(CHUNK, run_end - start), start)
            if not octets:
                raise OSError(f"the memory at {start:#x} ({region.name}) was not given")
            yield start, octets
            start += len(octets)
            if start < run_end:
                start -= overlap


def _written(pid: int, region: Region) -> Iterator[tuple[int, int]]:
    """The runs of pages that hold anything: not those that were never touched, nor those that are a file's."""
    pages = array("Q")
    with Path(f"/proc/{pid}/pagemap").open("rb") as pagemap:
        pagemap.seek(region.start // PAGE * pages.itemsize)
        pages.frombytes(pagemap.read((region.end - region.start) // PAGE * pages.itemsize))
    if not any(pages):
        return
    unwanted = PAGE_OF_FILE if region.is_copy_of_file else 0
    addresses = range(region.start, region.end, PAGE)
    holding = (
        (bool(page & PAGE_EXISTS and not page & unwanted), at) for page, at in zip(pages, addresses, strict=True)
    )
    for holds, group in groupby(holding, key=itemgetter(0)):
        if holds:
            run = [address for _, address in group]
            yield run[0], run[-1] + PAGE
