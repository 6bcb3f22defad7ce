"""Export and import: what they take, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from strongroom._call import Given, Operation
from strongroom._error import of_code
from strongroom._results import told
from strongroom._secret import Secret

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom._call import Actor
    from strongroom._driver import Outcome
    from strongroom._many import IfExists


@dataclass(frozen=True)
class Imported:
    """What becomes of a secret of an archive."""

    namespace: str
    name: str
    outcome: Literal["created", "replaced", "unchanged", "skipped", "refused"]
    """`unchanged`: it has that value already, which is told to its readers alone, others replace it; `refused`, in dry
    runs alone: nothing can be imported because of it."""
    version: int | None
    """The version that is current then; `None` for one that is refused."""
    code: str | None
    """Why it is refused, such as `SECRET_EXISTS`."""
    message: str | None
    """The same in words."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or would do."""

    vault_id: str
    """Which vault the archive is of."""
    exported_at: datetime
    """When it was made."""
    secrets: list[Imported]
    """In the order of the archive."""
    events: int
    """How many events of their history came with them."""
    dry_run: bool
    """Whether nothing was done, and this is what would be."""


class Opening:
    """What an age file is opened with, on its way into an operation, as `Given` is a value."""

    __slots__ = ("kind", "values")

    def __init__(
        self, passphrase: str | bytes | Secret | None, identities: Sequence[str | bytes | Secret] | None
    ) -> None:
        # Both, or neither: the core says what is wrong.
        self.kind = "passphrase" if passphrase is not None and identities is None else "identities"
        if (passphrase is None) == (identities is None):
            self.kind = ""
        self.values: list[Given] = []
        if passphrase is not None:
            self.values.append(Given(passphrase))
        # A lone text is one identity, or a file of them.
        several = [identities] if isinstance(identities, str | bytes | Secret) else identities or ()
        self.values.extend(Given(each) for each in several)


def export(
    given: Given | None,
    actor: str | Actor,
    namespace: str | None,
    *,
    recipients: Sequence[str] | None,
    names: Sequence[str] | None,
    history: bool,
    armor: bool,
) -> Operation[bytes]:
    arguments: dict[str, Any] = {
        "namespace": namespace,
        "names": names,
        "recipients": recipients,
        "history": history,
        "armor": armor,
    }
    return Operation("export", actor, arguments, _file, given)


def import_(
    file: Given, opening: Opening, actor: str | Actor, *, on_conflict: IfExists, dry_run: bool
) -> Operation[ImportReport]:
    arguments = {"with": opening.kind, "on_conflict": on_conflict, "dry_run": dry_run}
    return Operation("import", actor, arguments, _report, file, offered=opening.values)


def _file(outcome: Outcome) -> bytes:
    if outcome.secret is None:
        raise of_code("BACKUP_INVALID", "the native part gave no file")
    try:
        return outcome.secret.reveal_bytes()
    finally:
        outcome.secret.wipe()


def _report(outcome: Outcome) -> ImportReport:
    secrets = [Imported(**each) for each in outcome.told["secrets"]]
    return told(ImportReport, {**outcome.told, "secrets": secrets})
