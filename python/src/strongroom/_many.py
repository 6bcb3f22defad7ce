"""Operations on many secrets: what each takes, and what it tells."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from strongroom._call import Given, Operation
from strongroom._error import of_code
from strongroom._manifest import Manifest
from strongroom._results import EntryReport, ManifestReport, Sensitivity, Skipped, Written, WrittenMany, told
from strongroom._secret import Secret, SecretDetails

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from strongroom._call import Actor
    from strongroom._driver import Outcome
    from strongroom._operations import Generator

IfExists = Literal["fail", "skip", "replace"]


class NewSecret(TypedDict, total=False):
    """A secret for `set_many`: its `value`, or `generate` to have one made; the rest is as in `set`."""

    value: str | bytes | Secret
    generate: Generator
    sensitivity: Sensitivity
    expires_at: datetime
    expires_in: timedelta
    notify: Sequence[str]
    generator: Generator


ManyValues = Mapping[str, "str | bytes | Secret | NewSecret"]


class ManyGiven:
    """Values on their way into an operation, as `Given` is one: the entries that they are for, without them."""

    __slots__ = ("entries", "values")

    def __init__(self, values: ManyValues) -> None:
        self.entries: list[dict[str, Any]] = []
        self.values: list[Given] = []
        # What is no mapping refuses itself as a value, when no frame has it any more.
        untyped: Mapping[str, Any] = values if isinstance(values, Mapping) else {"": values}
        for name in untyped:
            entry: dict[str, Any] = {"name": name}
            if isinstance(untyped[name], Mapping):
                entry.update((field, untyped[name][field]) for field in untyped[name] if field != "value")
                if "value" in untyped[name]:
                    self.values.append(Given(untyped[name]["value"]))
            else:
                self.values.append(Given(untyped[name]))
            self.entries.append(entry)


def get_many(names: Sequence[str], actor: str | Actor, namespace: str | None) -> Operation[dict[str, Secret]]:
    def secrets(outcome: Outcome) -> dict[str, Secret]:
        details = [told(SecretDetails, each) for each in outcome.told["secrets"]]
        found = zip(details, outcome.secrets, strict=True)
        return {each.name: Secret._of_vault(handle, each) for each, handle in found}

    return Operation("get_many", actor, {"names": names, "namespace": namespace}, secrets)


def set_many(
    given: ManyGiven, actor: str | Actor, namespace: str | None, *, if_exists: IfExists, dry_run: bool
) -> Operation[WrittenMany]:
    arguments = {"entries": given.entries, "namespace": namespace, "if_exists": if_exists, "dry_run": dry_run}
    return Operation("set_many", actor, arguments, _written_many, offered=given.values)


def import_env(
    actor: str | Actor,
    namespace: str | None,
    *,
    prefix: str,
    names: Sequence[str] | None,
    if_exists: IfExists,
    dry_run: bool,
) -> Operation[WrittenMany]:
    if isinstance(names, str):
        raise of_code("INVALID_ARGUMENT", "`names` is a list, not one text")
    chosen = sorted(name for name in os.environ if name.startswith(prefix) and name != prefix)
    if names is not None:
        chosen, prefix = list(names), ""
    arguments = {
        "variables": [{"name": name, "is_set": name in os.environ} for name in chosen],
        "prefix": prefix,
        "namespace": namespace,
        "if_exists": if_exists,
        "dry_run": dry_run,
    }
    return Operation("import_env", actor, arguments, _written_many, offered=_of_environment(chosen))


def import_dotenv(
    text: Given,
    actor: str | Actor,
    namespace: str | None,
    *,
    prefix: str | None,
    if_exists: IfExists,
    dry_run: bool,
) -> Operation[WrittenMany]:
    arguments = {"prefix": prefix, "namespace": namespace, "if_exists": if_exists, "dry_run": dry_run}
    return Operation("import_dotenv", actor, arguments, _written_many, text)


def of_manifest(
    what: Literal["provision", "check"], manifest: Manifest, actor: str | Actor, environment: str | None
) -> Operation[ManifestReport]:
    if not isinstance(manifest, Manifest):
        raise of_code("INVALID_ARGUMENT", "the first argument is a `Manifest`, such as `Manifest.read(path)`")
    tree = json.loads(manifest._text)
    plain = dict.fromkeys(entry["name"] for entry in tree["entries"] if entry["kind"] == "plain")
    found = [name for name in plain if name in os.environ]
    arguments = {"manifest": tree, "environment": environment, "plain": found}
    return Operation(what, actor, arguments, _report, offered=_of_environment(found))


def _of_environment(names: Iterable[str]) -> list[Given]:
    """The values of those variables that are set, as bytes: they need not be text."""
    return [Given(os.fsencode(os.environ[name])) for name in names if name in os.environ]


def _written_many(outcome: Outcome) -> WrittenMany:
    written = [told(Written, each) for each in outcome.told["written"]]
    return WrittenMany(written, [Skipped(**each) for each in outcome.told["skipped"]], outcome.told["dry_run"])


def _report(outcome: Outcome) -> ManifestReport:
    entries = [EntryReport(**entry) for entry in outcome.told["entries"]]
    return ManifestReport(outcome.told["environment"], outcome.told["ok"], entries)
