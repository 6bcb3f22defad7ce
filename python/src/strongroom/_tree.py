"""Trees of configuration: what the core sees of one, and the same tree with what its references stand for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from strongroom import _native
from strongroom._call import Given, Operation
from strongroom._error import of_code, translated
from strongroom._results import told
from strongroom._secret import Secret, SecretDetails

if TYPE_CHECKING:
    from strongroom._call import Actor
    from strongroom._driver import Outcome

_DEPTH_MAX = 64


def resolve(tree: Any, actor: str | Actor, namespace: str | None) -> Operation[Any]:
    tree = _copied(tree, lambda leaf: leaf)  # The caller's may be another by the time of the answer.

    def resolved(outcome: Outcome) -> Any:
        kinds = outcome.told["values"]
        values = [_value(value, handle) for value, handle in zip(kinds, outcome.secrets, strict=True)]
        places = {each["text"]: values[each["value"]] for each in outcome.told["texts"]}
        texts = count()
        # In the order in which JSON has them.
        return _copied(tree, lambda leaf: places.get(next(texts), leaf) if isinstance(leaf, str) else leaf)

    return Operation("resolve", actor, {"namespace": namespace}, resolved, _given(tree))


def reveal_all(tree: Any) -> Any:
    """The same tree with the texts of its secrets: for what cannot take a `Secret`, such as a child's environment.

    Python's strings cannot be wiped: do it at the last moment, and keep nothing of it. Raises `ValueInvalidError` for
    what is not UTF-8.

    >>> reveal_all({"env": {"TOKEN": Secret("hunter2"), "PORT": "80"}})
    {'env': {'TOKEN': 'hunter2', 'PORT': '80'}}
    """
    return _copied(tree, lambda leaf: leaf.reveal() if isinstance(leaf, Secret) else leaf)


def _value(told_of_it: dict[str, Any], handle: _native.Secret) -> Secret | str:
    if told_of_it["kind"] == "plain":
        with translated():
            text = handle.reveal_text()
        handle.wipe()
        return text
    details = told_of_it["details"]
    return Secret._of_vault(handle, None if details is None else told(SecretDetails, details))


def _given(tree: Any) -> Given:
    """The tree as JSON. What is no text, list or mapping is left out: it stays as it is."""
    try:
        return Given(
            json.dumps(_copied(tree, lambda leaf: leaf if isinstance(leaf, str) else None), ensure_ascii=False)
        )
    except TypeError:
        raise of_code("INVALID_ARGUMENT", "the tree has a field whose name is no text") from None
    finally:
        del tree  # A traceback that shows locals must not show it.


def _copied(tree: Any, leaf: Callable[[Any], Any], depth: int = 0) -> Any:
    if isinstance(tree, (Mapping, list, tuple)):
        if depth > _DEPTH_MAX:
            raise of_code("LIMIT_EXCEEDED", f"the tree is nested deeper than {_DEPTH_MAX} levels: make it flatter")
        if isinstance(tree, Mapping):
            return {name: _copied(value, leaf, depth + 1) for name, value in tree.items()}
        return [_copied(item, leaf, depth + 1) for item in tree]
    return leaf(tree)
