"""The manifest: what an application needs, of which form, in which environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from strongroom import _native
from strongroom._error import of_code, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom._results import Sensitivity

ManifestFormat = Literal["yaml", "json", "toml", "dotenv"]

_ENDINGS: Mapping[str, ManifestFormat] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
_LONGEST = 10 * 1024 * 1024


@dataclass(frozen=True)
class ManifestEntry:
    """One thing that an application needs."""

    namespace: str
    name: str
    """Of a plain entry, the variable's."""
    kind: Literal["secret", "plain"]
    type: Literal["text", "int", "bool", "url"]
    environments: list[str] | None
    """Those it is needed in; `None` for all."""
    default: str | None
    required: bool
    pattern: str | None
    minimum_length: int | None
    classes: list[Literal["lower", "upper", "digit", "symbol"]]
    sensitivity: Sensitivity | None
    generator: dict[str, Any] | None
    note: str | None
    notify: list[str]


class Manifest:
    """What an application needs: rules, and no values of secrets.

    >>> text = '''
    ... version: 1
    ... entries:
    ...   - {name: LOG_LEVEL, kind: plain, default: info}
    ...   - {name: SESSION_KEY, generator: token_urlsafe, minimum_length: 32}
    ... '''
    >>> manifest = Manifest.parse(text)
    >>> [entry.name for entry in manifest.entries]
    ['LOG_LEVEL', 'SESSION_KEY']
    >>> print(manifest.to_dotenv_example().splitlines()[-1])
    SESSION_KEY=
    """

    __slots__ = ("_text",)

    _text: str

    def __init__(self) -> None:
        raise TypeError("use Manifest.parse(text) or Manifest.read(path)")

    @classmethod
    def parse(cls, text: str | bytes, *, format: ManifestFormat = "yaml") -> Manifest:  # noqa: A002
        """A manifest from text; `dotenv` is a `.env.example`.

        Raises `ManifestInvalidError`, for all that is wrong; `LimitExceededError` beyond 10 MiB or 10,000 entries.
        """
        try:
            with translated():
                read = _native.read_manifest(text, format)
        finally:
            del text  # A traceback that shows locals must not show what may have been pasted into it.
        manifest = cls.__new__(cls)
        manifest._text = read
        return manifest

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Manifest:
        """A manifest from a file: `.yaml`, `.yml`, `.json`, `.toml`, or one such as `.env.example`.

        Raises what `parse` raises, `InvalidArgumentError` for another name, and `OSError`.
        """
        name = Path(path).name.lower()
        of_ending = _ENDINGS.get(Path(name).suffix)
        if of_ending is None and not (name.startswith(".env") or name.endswith(".env")):
            message = "the file's name does not tell its format: .yaml, .yml, .json, .toml, or .env.example"
            raise of_code("INVALID_ARGUMENT", message)
        with Path(path).open("rb") as file:
            # One more than is read: what is longer is refused, and not cut.
            return cls.parse(file.read(_LONGEST + 1), format=of_ending or "dotenv")

    @property
    def environments(self) -> list[str]:
        """The environments that it declares; none when it leaves them open."""
        return list(json.loads(self._text).get("environments", []))

    @property
    def entries(self) -> list[ManifestEntry]:
        """The entries, in the order of the manifest."""
        return [ManifestEntry(**entry) for entry in json.loads(self._text)["entries"]]

    def to_dotenv_example(self, environment: str | None = None) -> str:
        """The text of a `.env.example`: notes and rules as comments, `NAME=default` for plain entries, else `NAME=`.

        Raises `InvalidArgumentError` for an environment that the manifest does not have.
        """
        with translated():
            return _native.manifest_example(self._text, environment)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Manifest) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"<Manifest of {len(self.entries)} entries>"
