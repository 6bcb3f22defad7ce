# Generated from core/src/error.rs by bindings/tests/error_table.rs; do not edit.
"""One exception class for each code, all of them subclasses of `StrongroomError`."""

from __future__ import annotations

from strongroom._error import StrongroomError

__all__ = [
    "BY_CODE",
    "AuditTamperedError",
    "BackupInvalidError",
    "ChangedSinceProposedError",
    "CommandInvalidError",
    "ConfirmationExpiredError",
    "ConfirmationMismatchError",
    "ConfirmationNotFoundError",
    "ConflictError",
    "EntropyFailedError",
    "FlowDoneError",
    "InvalidArgumentError",
    "KeyInUseError",
    "KeyInvalidError",
    "KeyUnknownError",
    "KeyringStaleError",
    "LimitExceededError",
    "ManifestInvalidError",
    "NameInvalidError",
    "NotAuthenticError",
    "NotConfiguredError",
    "PermissionDeniedError",
    "RecordTamperedError",
    "ReferenceInvalidError",
    "ReferenceUnresolvedError",
    "RotationFailedError",
    "SecretDisabledError",
    "SecretExistsError",
    "SecretExpiredError",
    "SecretNotFoundError",
    "SessionExpiredError",
    "StaleReplyError",
    "StorageFailedError",
    "StrongroomError",
    "TokenMalformedError",
    "UnsupportedError",
    "ValueInvalidError",
    "VaultHeadMissingError",
    "VersionCompromisedError",
    "VersionNotFoundError",
]


class NotConfiguredError(StrongroomError):
    """No encryption key was given: make one with `openssl rand -base64 32` and set ENCRYPTION_KEY."""

    code = "NOT_CONFIGURED"
    number = 1
    retryable = False


class KeyInvalidError(StrongroomError):
    """Key text is not a key: give srk1 text, base64 or 64 hex digits of 32 random bytes."""

    code = "KEY_INVALID"
    number = 2
    retryable = False


class KeyUnknownError(StrongroomError):
    """The value names a key that is not in the keyring: add the key that it was sealed with."""

    code = "KEY_UNKNOWN"
    number = 3
    retryable = False


class NotAuthenticError(StrongroomError):
    """The value does not open: the key is wrong, the value was altered, or it belongs to another place."""

    code = "NOT_AUTHENTIC"
    number = 4
    retryable = False


class TokenMalformedError(StrongroomError):
    """The text is no value in any known format: check that it was stored and read back whole."""

    code = "TOKEN_MALFORMED"
    number = 5
    retryable = False


class PermissionDeniedError(StrongroomError):
    """The actor may not do this: ask someone who may, or change the rule."""

    code = "PERMISSION_DENIED"
    number = 6
    retryable = False


class SessionExpiredError(StrongroomError):
    """The actor's session has ended: sign in again."""

    code = "SESSION_EXPIRED"
    number = 7
    retryable = False


class SecretNotFoundError(StrongroomError):
    """There is no secret of that name: check the spelling against the list."""

    code = "SECRET_NOT_FOUND"
    number = 8
    retryable = False


class SecretExistsError(StrongroomError):
    """A secret of that name is there already: rotate it, or choose another name."""

    code = "SECRET_EXISTS"
    number = 9
    retryable = False


class SecretExpiredError(StrongroomError):
    """The secret's life is over: set a new value."""

    code = "SECRET_EXPIRED"
    number = 10
    retryable = False


class SecretDisabledError(StrongroomError):
    """The secret is disabled: enable it first."""

    code = "SECRET_DISABLED"
    number = 11
    retryable = False


class NameInvalidError(StrongroomError):
    """A name, namespace or actor breaks the rules for it: the message says which."""

    code = "NAME_INVALID"
    number = 12
    retryable = False


class ValueInvalidError(StrongroomError):
    """The value is empty or too long: the message gives the limit."""

    code = "VALUE_INVALID"
    number = 13
    retryable = False


class VersionNotFoundError(StrongroomError):
    """The secret has no such version: list its versions."""

    code = "VERSION_NOT_FOUND"
    number = 14
    retryable = False


class VersionCompromisedError(StrongroomError):
    """That version was marked compromised and is never used again: set a new value."""

    code = "VERSION_COMPROMISED"
    number = 15
    retryable = False


class ConfirmationNotFoundError(StrongroomError):
    """No proposal with that id is waiting: propose the change again."""

    code = "CONFIRMATION_NOT_FOUND"
    number = 16
    retryable = False


class ConfirmationExpiredError(StrongroomError):
    """The proposal was not confirmed in time: propose the change again."""

    code = "CONFIRMATION_EXPIRED"
    number = 17
    retryable = False


class ConfirmationMismatchError(StrongroomError):
    """Only the one who proposed a change can confirm it, on the same platform."""

    code = "CONFIRMATION_MISMATCH"
    number = 18
    retryable = False


class ChangedSinceProposedError(StrongroomError):
    """The secret has changed since the proposal: look again, then propose again."""

    code = "CHANGED_SINCE_PROPOSED"
    number = 19
    retryable = False


class ConflictError(StrongroomError):
    """Other writers kept coming first: nothing was done, try again."""

    code = "CONFLICT"
    number = 20
    retryable = True


class StorageFailedError(StrongroomError):
    """The store failed or gave a wrong answer: look at the cause, then try again."""

    code = "STORAGE_FAILED"
    number = 21
    retryable = True


class RecordTamperedError(StrongroomError):
    """A stored record was altered outside the vault: restore it from a backup and find out who did it."""

    code = "RECORD_TAMPERED"
    number = 22
    retryable = False


class AuditTamperedError(StrongroomError):
    """The audit history was altered outside the vault: the message names the first bad event."""

    code = "AUDIT_TAMPERED"
    number = 23
    retryable = False


class VaultHeadMissingError(StrongroomError):
    """The store holds a vault's data but not its head record: restore the head from a backup."""

    code = "VAULT_HEAD_MISSING"
    number = 24
    retryable = False


class KeyringStaleError(StrongroomError):
    """The primary of the keyring is not the vault's: load the current keys, or rekey."""

    code = "KEYRING_STALE"
    number = 25
    retryable = False


class KeyInUseError(StrongroomError):
    """Stored values still need the key: rekey first."""

    code = "KEY_IN_USE"
    number = 26
    retryable = False


class ReferenceInvalidError(StrongroomError):
    """A reference cannot be read: write secret:NAME, env:VAR or file:PATH."""

    code = "REFERENCE_INVALID"
    number = 27
    retryable = False


class ReferenceUnresolvedError(StrongroomError):
    """A reference points at nothing: the message lists each one."""

    code = "REFERENCE_UNRESOLVED"
    number = 28
    retryable = False


class BackupInvalidError(StrongroomError):
    """The backup cannot be opened: check the passphrase and that the file is whole."""

    code = "BACKUP_INVALID"
    number = 29
    retryable = False


class ManifestInvalidError(StrongroomError):
    """The manifest has errors: the message lists them with their lines."""

    code = "MANIFEST_INVALID"
    number = 30
    retryable = False


class LimitExceededError(StrongroomError):
    """The input is larger than the limit: the message gives the limit."""

    code = "LIMIT_EXCEEDED"
    number = 31
    retryable = False


class RotationFailedError(StrongroomError):
    """The rotator failed, or others changed the secret meanwhile: run it again."""

    code = "ROTATION_FAILED"
    number = 32
    retryable = True


class UnsupportedError(StrongroomError):
    """This host or format cannot do that: the message says what can."""

    code = "UNSUPPORTED"
    number = 33
    retryable = False


class EntropyFailedError(StrongroomError):
    """The operating system gave no randomness: nothing was done."""

    code = "ENTROPY_FAILED"
    number = 34
    retryable = True


class InvalidArgumentError(StrongroomError):
    """An argument or option is not understood: the message names it."""

    code = "INVALID_ARGUMENT"
    number = 35
    retryable = False


class CommandInvalidError(StrongroomError):
    """The chat command is not understood: the message shows how to write it."""

    code = "COMMAND_INVALID"
    number = 36
    retryable = False


class StaleReplyError(StrongroomError):
    """A reply does not answer the open request: answer each request once, with its number."""

    code = "STALE_REPLY"
    number = 37
    retryable = False


class FlowDoneError(StrongroomError):
    """The operation has ended: start a new one."""

    code = "FLOW_DONE"
    number = 38
    retryable = False


BY_CODE: dict[str, type[StrongroomError]] = {
    "NOT_CONFIGURED": NotConfiguredError,
    "KEY_INVALID": KeyInvalidError,
    "KEY_UNKNOWN": KeyUnknownError,
    "NOT_AUTHENTIC": NotAuthenticError,
    "TOKEN_MALFORMED": TokenMalformedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "SESSION_EXPIRED": SessionExpiredError,
    "SECRET_NOT_FOUND": SecretNotFoundError,
    "SECRET_EXISTS": SecretExistsError,
    "SECRET_EXPIRED": SecretExpiredError,
    "SECRET_DISABLED": SecretDisabledError,
    "NAME_INVALID": NameInvalidError,
    "VALUE_INVALID": ValueInvalidError,
    "VERSION_NOT_FOUND": VersionNotFoundError,
    "VERSION_COMPROMISED": VersionCompromisedError,
    "CONFIRMATION_NOT_FOUND": ConfirmationNotFoundError,
    "CONFIRMATION_EXPIRED": ConfirmationExpiredError,
    "CONFIRMATION_MISMATCH": ConfirmationMismatchError,
    "CHANGED_SINCE_PROPOSED": ChangedSinceProposedError,
    "CONFLICT": ConflictError,
    "STORAGE_FAILED": StorageFailedError,
    "RECORD_TAMPERED": RecordTamperedError,
    "AUDIT_TAMPERED": AuditTamperedError,
    "VAULT_HEAD_MISSING": VaultHeadMissingError,
    "KEYRING_STALE": KeyringStaleError,
    "KEY_IN_USE": KeyInUseError,
    "REFERENCE_INVALID": ReferenceInvalidError,
    "REFERENCE_UNRESOLVED": ReferenceUnresolvedError,
    "BACKUP_INVALID": BackupInvalidError,
    "MANIFEST_INVALID": ManifestInvalidError,
    "LIMIT_EXCEEDED": LimitExceededError,
    "ROTATION_FAILED": RotationFailedError,
    "UNSUPPORTED": UnsupportedError,
    "ENTROPY_FAILED": EntropyFailedError,
    "INVALID_ARGUMENT": InvalidArgumentError,
    "COMMAND_INVALID": CommandInvalidError,
    "STALE_REPLY": StaleReplyError,
    "FLOW_DONE": FlowDoneError,
}
