"""A secrets library to embed: encryption, keyrings, versions, rotation, policy, confirmation and audit."""

from strongroom._access import AccessBurst, AccessFinding, AccessRules, AccessWatch
from strongroom._archives import Imported, ImportReport
from strongroom._call import Actor, Policy
from strongroom._error import StrongroomError
from strongroom._history import Checkpoint, ExportFormat, SigningKey
from strongroom._host import AsyncRotator, Rotation, Rotator
from strongroom._keyring import KeyInfo, Keyring
from strongroom._manifest import Manifest, ManifestEntry, ManifestFormat
from strongroom._many import IfExists, ManyValues, NewSecret
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
    EntryReport,
    Grant,
    GrantAction,
    Granted,
    Identified,
    KeyCount,
    LeftOver,
    Listed,
    ListedVersion,
    ManifestReport,
    PolicyInForce,
    Proposed,
    Purged,
    Rekeyed,
    Renewed,
    Retired,
    RotationReport,
    RotationState,
    Sensitivity,
    Skipped,
    Swept,
    Verified,
    Written,
    WrittenMany,
)
from strongroom._secret import Format, MaskStyle, Secret, SecretDetails, mask
from strongroom._tree import reveal_all
from strongroom._vault import Vault
from strongroom._wrapped import OpenedKeyring, PassphraseCost, Wrap, WrappedKeyring

__all__ = [
    "AccessBurst",
    "AccessFinding",
    "AccessRules",
    "AccessWatch",
    "Actor",
    "Adopted",
    "AsyncRotator",
    "AuditEvent",
    "AuditReport",
    "Button",
    "Census",
    "Change",
    "Checkpoint",
    "CommandReply",
    "Confirmed",
    "EntryReport",
    "ExportFormat",
    "Format",
    "Generator",
    "Grant",
    "GrantAction",
    "Granted",
    "Identified",
    "IfExists",
    "ImportReport",
    "Imported",
    "KeyCount",
    "KeyInfo",
    "Keyring",
    "LeftOver",
    "Listed",
    "ListedVersion",
    "Manifest",
    "ManifestEntry",
    "ManifestFormat",
    "ManifestReport",
    "ManyValues",
    "MaskStyle",
    "NewSecret",
    "OpenedKeyring",
    "PassphraseCost",
    "Policy",
    "PolicyInForce",
    "Proposed",
    "Purged",
    "Rekeyed",
    "Renewed",
    "Retired",
    "Rotation",
    "RotationReport",
    "RotationState",
    "Rotator",
    "Secret",
    "SecretDetails",
    "Sensitivity",
    "SigningKey",
    "Skipped",
    "StrongroomError",
    "Swept",
    "Vault",
    "Verified",
    "Wrap",
    "WrappedKeyring",
    "Written",
    "WrittenMany",
    "__version__",
    "mask",
    "reveal_all",
]

__version__ = version()
