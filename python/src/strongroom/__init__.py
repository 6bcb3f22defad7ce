"""A secrets library to embed: encryption, keyrings, versions, rotation, policy, confirmation and audit."""

from strongroom._call import Actor, Policy
from strongroom._error import StrongroomError
from strongroom._host import AsyncRotator, Rotation, Rotator
from strongroom._keyring import KeyInfo, Keyring
from strongroom._native import version
from strongroom._operations import Generator
from strongroom._results import (
    Adopted,
    AuditEvent,
    AuditReport,
    Button,
    Census,
    Change,
    CommandReply,
    Confirmed,
    Grant,
    GrantAction,
    Granted,
    Identified,
    KeyCount,
    LeftOver,
    Listed,
    ListedVersion,
    PolicyInForce,
    Proposed,
    Purged,
    Rekeyed,
    Retired,
    RotationReport,
    RotationState,
    Sensitivity,
    Swept,
    Verified,
    Written,
)
from strongroom._secret import Format, MaskStyle, Secret, SecretDetails, mask
from strongroom._vault import Vault

__all__ = [
    "Actor",
    "Adopted",
    "AsyncRotator",
    "AuditEvent",
    "AuditReport",
    "Button",
    "Census",
    "Change",
    "CommandReply",
    "Confirmed",
    "Format",
    "Generator",
    "Grant",
    "GrantAction",
    "Granted",
    "Identified",
    "KeyCount",
    "KeyInfo",
    "Keyring",
    "LeftOver",
    "Listed",
    "ListedVersion",
    "MaskStyle",
    "Policy",
    "PolicyInForce",
    "Proposed",
    "Purged",
    "Rekeyed",
    "Retired",
    "Rotation",
    "RotationReport",
    "RotationState",
    "Rotator",
    "Secret",
    "SecretDetails",
    "Sensitivity",
    "StrongroomError",
    "Swept",
    "Vault",
    "Verified",
    "Written",
    "__version__",
    "mask",
]

__version__ = version()
