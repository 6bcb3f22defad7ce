"""A secrets library to embed: encryption, keyrings, versions, confirmation and tamper-evident audit."""

from strongroom._error import StrongroomError
from strongroom._keyring import KeyInfo, Keyring
from strongroom._native import version
from strongroom._operations import (
    Actor,
    Adopted,
    AuditEvent,
    AuditReport,
    Button,
    Census,
    Change,
    CommandReply,
    Confirmed,
    KeyCount,
    Listed,
    Proposed,
    Written,
)
from strongroom._secret import Format, MaskStyle, Secret, SecretDetails, mask
from strongroom._vault import Vault

__all__ = [
    "Actor",
    "Adopted",
    "AuditEvent",
    "AuditReport",
    "Button",
    "Census",
    "Change",
    "CommandReply",
    "Confirmed",
    "Format",
    "KeyCount",
    "KeyInfo",
    "Keyring",
    "Listed",
    "MaskStyle",
    "Proposed",
    "Secret",
    "SecretDetails",
    "StrongroomError",
    "Vault",
    "Written",
    "__version__",
    "mask",
]

__version__ = version()
