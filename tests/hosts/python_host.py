"""The Python host: `python -m hosts.python_host`, with the package on `PYTHONPATH`."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import strongroom
from strongroom import Actor, Grant, Keyring, Manifest, Secret, SigningKey, StrongroomError, Vault, _archives, _native
from strongroom._call import Given, Operation
from strongroom.stores import SQLiteStore

from hosts.rows import RowStore
from hosts.tape import Surroundings, Tape, TapedStore

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class PythonHost:
    """Does what it is told. What a method gives is told in the core's words: milliseconds, null."""

    _store: RowStore | TapedStore | SQLiteStore
    _vault: Vault
    _tape: Tape | None = None

    def __init__(self) -> None:
        self._surroundings = Surroundings()

    def answer(self, line: str) -> str:
        """Answers a line. Raises what is no error of strongroom."""
        given = json.loads(line)
        what = given.pop("do")
        try:
            return json.dumps({"told": told(self._does(what, given))})
        except StrongroomError as error:
            return json.dumps({"code": error.code, "message": str(error)})

    def _does(self, what: str, given: dict[str, Any]) -> Any:
        if "actor" in given and what != "work":
            if self._tape is not None:
                self._tape.rewind()
            return self._operate(what, given)
        does: Callable[..., Any] = getattr(self, f"do_{what}")
        return does(**given)

    def do_version(self) -> Any:
        return strongroom.__version__

    def do_generate(self) -> Any:
        keyring = Keyring.generate()
        return {"key": keyring.dangerous_export(), "keys": keyring.keys}

    def do_keys(self, key: str) -> Any:
        return Keyring.parse(key).keys

    def do_export(self, key: str) -> Any:
        return Keyring.parse(key).dangerous_export()

    def do_encrypt(self, key: str, value: str, format: Any, bound: str | None = None) -> Any:  # noqa: A002
        return Keyring.parse(key).encrypt(bytes.fromhex(value), format=format, associated_data=octets(bound))

    def do_decrypt(self, key: str, token: str, bound: str | None = None, formats: Any = None) -> Any:
        return Keyring.parse(key).decrypt(token, associated_data=octets(bound), formats=formats).hex()

    def do_inspect(self, key: str, token: str, bound: str | None = None) -> Any:
        name, key_id = Keyring.parse(key).inspect_token(token, associated_data=octets(bound))
        return {"format": name, "key_id": key_id}

    def do_open(self, key: str, options: dict[str, Any], rows: dict[str, Any], page: int | None) -> None:
        self._open(RowStore(rows) if page is None else TapedStore(rows, page), key, options)

    def do_reopen(self, key: str, options: dict[str, Any]) -> None:
        self._open(self._store, key, options)

    def do_open_file(self, path: str, key: str, options: dict[str, Any]) -> None:
        self._open(SQLiteStore(path), key, options)

    def _open(
        self,
        store: RowStore | TapedStore | SQLiteStore,
        key: str,
        options: dict[str, Any],
    ) -> None:
        own = self._surroundings
        self._store, self._opened = store, (key, options)
        self._vault = Vault(
            Keyring.parse(key),
            store,
            **options,
            read_env=own.read_env,
            read_file=own.read_file,
        )

    def do_close(self) -> None:
        assert isinstance(self._store, SQLiteStore)
        self._store.close()

    def do_dump(self) -> Any:
        assert isinstance(self._store, RowStore)
        return self._store.dump()

    def do_metrics(self, prefix: str) -> str:
        return self._vault.metrics(prefix)

    def do_fix_entropy(self, seed: int) -> None:
        self._tape = self._tape or Tape.install()
        vars(_native)["fix_entropy"](seed)

    def do_clock(self, at: int) -> None:
        assert self._tape is not None
        self._tape.set_clock(at)

    def do_put(self, rows: dict[str, Any]) -> None:
        assert isinstance(self._store, TapedStore)
        self._store.put(rows)

    def do_faults(self, faults: dict[str, list[str]]) -> None:
        assert isinstance(self._store, TapedStore)
        self._store.faults = faults

    def do_host(self, **surroundings: Any) -> None:
        self._surroundings.set(**surroundings)

    def do_taken(self) -> Any:
        assert self._tape is not None
        return self._tape.taken

    def do_work(self, names: list[str], operations: int, actor: str) -> Any:
        """Many operations on a few secrets; tells how many of which."""
        gets, writes = dict.fromkeys(names, 0), 0
        for number in range(operations):
            name = names[(number * 3 + 1) % len(names)]
            if number % 4 == 1:
                self._vault.rotate(name, f"value of python number {number}", actor=actor)
                writes += 1
            else:
                self._vault.get(name, actor=actor).reveal()
                gets[name] += 1
        return {"gets": gets, "writes": writes}

    def _operate(self, what: str, given: dict[str, Any]) -> Any:
        who = given.pop("actor")
        until = who.pop("session_expires_at", None)
        actor = Actor(**who, session_expires_at=None if until is None else instant(until))
        if what == "copy_to":
            assert isinstance(self._store, RowStore | TapedStore)
            target = self._store.target()
            copied = self._vault.copy_to(target, actor=actor)
            # From then on it is the one in use.
            self._open(target, *self._opened)
            return told(copied)
        if what == "renew_root":
            return next(self._vault.renew_root_pages(**given, actor=actor))
        if what == "rekey":
            return next(self._vault.rekey_pages(**given, actor=actor))
        if given.get("rotator"):
            given["rotator"] = self._surroundings
        if what == "checkpoint":
            given["signing_key"] = SigningKey.parse(given["signing_key"], name=given.pop("signer"))
        if what == "export_audit":
            return list(self._vault.export_audit(**given, actor=actor))
        if what == "export":
            # As it is: the file that it is sealed in is random.
            plain = {**given, "plain": True}
            return self._vault._run(Operation("export", actor, plain, _archives._file)).hex()
        if what == "import":
            archive = Given(bytes.fromhex(given.pop("value")))
            plain = {**given, "with": "plain"}
            return self._vault._run(Operation("import", actor, plain, _archives._report, archive))
        if what == "revoke":
            given["grant_id"] = given.pop("id")
        if what in ("import_env", "provision", "check"):
            os.environ.update(given.pop("environment" if what == "import_env" else "plain"))
        if "manifest" in given:
            given["manifest"] = Manifest.parse(json.dumps(given["manifest"]), format="json")
        operation: Callable[..., Any] = getattr(self._vault, what)
        result = operation(**in_words(given), actor=actor)
        if what == "grants":
            return [granted(grant) for grant in result]
        if what == "resolve":
            return shown(result)
        if what == "get":
            return {
                "value": result.reveal_bytes().hex(),
                **dataclasses.asdict(result.details),
            }
        if what == "get_many":
            secrets = result.values()
            return told(
                [
                    {
                        "value": one.reveal_bytes().hex(),
                        **dataclasses.asdict(one.details),
                    }
                    for one in secrets
                ]
            )
        return result


def in_words(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments in Python's words: octets, `datetime`, `timedelta`."""
    given = dict(given)
    if "value" in given:
        given["value"] = bytes.fromhex(given["value"])
    for key in ("expires_at", "until"):
        if key in given:
            given[key] = instant(given[key])
    for key, name in (
        ("expires_in", "expires_in"),
        ("grace_millis", "grace"),
        ("ahead_millis", "ahead"),
    ):
        if key in given:
            given[name] = timedelta(milliseconds=given.pop(key))
    grantee = given.pop("to", {})
    return {**given, **grantee}


def granted(grant: Grant) -> dict[str, Any]:
    fields = told(grant)
    to = {name: fields.pop(name) for name in ("user", "role")}
    return {**fields, "to": {name: to[name] for name in to if to[name] is not None}}


def shown(tree: Any) -> Any:
    """A tree with its secrets."""
    if isinstance(tree, Secret):
        details = {} if tree.details is None else dataclasses.asdict(tree.details)
        return {"value": tree.reveal_bytes().hex(), **details}
    if isinstance(tree, dict):
        return {name: shown(value) for name, value in tree.items()}
    return [shown(item) for item in tree] if isinstance(tree, list) else tree


def instant(millis: int) -> datetime:
    return EPOCH + timedelta(milliseconds=millis)


def octets(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def told(value: Any) -> Any:
    """The same in the core's words."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: told(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: told(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(inner) for inner in value]
    return value


def main() -> None:
    host = PythonHost()
    for line in sys.stdin:
        print(host.answer(line), flush=True)


if __name__ == "__main__":
    main()
