//! The one table of error codes, and the error that carries them.
//!
//! Every language's classes, unions and documentation are generated from [`ErrorCode::ALL`]; nothing is copied by hand.
//! A message says what was wrong and what to do next. It never holds a secret: messages are built from literals,
//! lengths, names that were parsed, and ids.

use alloc::borrow::Cow;
use core::fmt;

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = core::result::Result<T, E>;

macro_rules! error_codes {
    ($($number:literal $variant:ident $name:literal $retryable:literal $meaning:literal;)*) => {
        /// A stable code: its number and its wire name never change, and a retired one is never given again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl ErrorCode {
            /// Every code, by ascending number.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The number that operators see, 1 to 999.
            pub const fn number(self) -> u16 {
                match self { $(ErrorCode::$variant => $number,)* }
            }

            /// The name on the wire, such as `SECRET_NOT_FOUND`.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* }
            }

            /// Whether the same call may succeed when it is simply made again.
            pub const fn is_retryable(self) -> bool {
                match self { $(ErrorCode::$variant => $retryable,)* }
            }

            /// One sentence: what the code means and what to do next.
            pub const fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$variant => $meaning,)* }
            }
        }
    };
}

error_codes! {
    1  NotConfigured        "NOT_CONFIGURED"         false "No encryption key was given: make one with `openssl rand -base64 32` and set ENCRYPTION_KEY.";
    2  KeyInvalid           "KEY_INVALID"            false "Key text is not a key: give srk1 text, base64 or 64 hex digits of 32 random bytes.";
    3  KeyUnknown           "KEY_UNKNOWN"            false "The value names a key that is not in the keyring: add the key that it was sealed with.";
    4  NotAuthentic         "NOT_AUTHENTIC"          false "The value does not open: the key is wrong, the value was altered, or it belongs to another place.";
    5  TokenMalformed       "TOKEN_MALFORMED"        false "The text is no value in any known format: check that it was stored and read back whole.";
    6  PermissionDenied     "PERMISSION_DENIED"      false "The actor may not do this: ask someone who may, or change the rule.";
    7  SessionExpired       "SESSION_EXPIRED"        false "The actor's session has ended: sign in again.";
    8  SecretNotFound       "SECRET_NOT_FOUND"       false "There is no secret of that name: check the spelling against the list.";
    9  SecretExists         "SECRET_EXISTS"          false "A secret of that name is there already: rotate it, or choose another name.";
    10 SecretExpired        "SECRET_EXPIRED"         false "The secret's life is over: set a new value.";
    11 SecretDisabled       "SECRET_DISABLED"        false "The secret is disabled: enable it first.";
    12 NameInvalid          "NAME_INVALID"           false "A name, namespace or actor breaks the rules for it: the message says which.";
    13 ValueInvalid         "VALUE_INVALID"          false "The value is empty or too long: the message gives the limit.";
    14 VersionNotFound      "VERSION_NOT_FOUND"      false "The secret has no such version: list its versions.";
    15 VersionCompromised   "VERSION_COMPROMISED"    false "That version was marked compromised and is never used again: set a new value.";
    16 ConfirmationNotFound "CONFIRMATION_NOT_FOUND" false "No proposal with that id is waiting: propose the change again.";
    17 ConfirmationExpired  "CONFIRMATION_EXPIRED"   false "The proposal was not confirmed in time: propose the change again.";
    18 ConfirmationMismatch "CONFIRMATION_MISMATCH"  false "Only the one who proposed a change can confirm it, on the same platform.";
    19 ChangedSinceProposed "CHANGED_SINCE_PROPOSED" false "The secret has changed since the proposal: look again, then propose again.";
    20 Conflict             "CONFLICT"               true  "Other writers kept coming first: nothing was done, try again.";
    21 StorageFailed        "STORAGE_FAILED"         true  "The store failed or gave a wrong answer: look at the cause, then try again.";
    22 RecordTampered       "RECORD_TAMPERED"        false "A stored record was altered outside the vault: restore it from a backup and find out who did it.";
    23 AuditTampered        "AUDIT_TAMPERED"         false "The audit history was altered outside the vault: the message names the first bad event.";
    24 VaultHeadMissing     "VAULT_HEAD_MISSING"     false "The store holds a vault's data but not its head record: restore the head from a backup.";
    25 KeyringStale         "KEYRING_STALE"          false "The primary of the keyring is not the vault's: load the current keys, or rekey.";
    26 KeyInUse             "KEY_IN_USE"             false "Stored values still need the key: rekey first.";
    27 ReferenceInvalid     "REFERENCE_INVALID"      false "A reference cannot be read: write secret:NAME, env:VAR or file:PATH.";
    28 ReferenceUnresolved  "REFERENCE_UNRESOLVED"   false "A reference points at nothing: the message lists each one.";
    29 BackupInvalid        "BACKUP_INVALID"         false "The backup cannot be opened: check the passphrase and that the file is whole.";
    30 ManifestInvalid      "MANIFEST_INVALID"       false "The manifest has errors: the message lists them with their lines.";
    31 LimitExceeded        "LIMIT_EXCEEDED"         false "The input is larger than the limit: the message gives the limit.";
    32 RotationFailed       "ROTATION_FAILED"        true  "The rotator failed, or others changed the secret meanwhile: run it again.";
    33 Unsupported          "UNSUPPORTED"            false "This host or format cannot do that: the message says what can.";
    34 EntropyFailed        "ENTROPY_FAILED"         true  "The operating system gave no randomness: nothing was done.";
    35 InvalidArgument      "INVALID_ARGUMENT"       false "An argument or option is not understood: the message names it.";
    36 CommandInvalid       "COMMAND_INVALID"        false "The chat command is not understood: the message shows how to write it.";
    37 StaleReply           "STALE_REPLY"            false "A reply does not answer the open request: answer each request once, with its number.";
    38 FlowDone             "FLOW_DONE"              false "The operation has ended: start a new one.";
}

impl ErrorCode {
    /// The code of that wire name.
    ///
    /// ```
    /// use strongroom::ErrorCode;
    /// assert_eq!(ErrorCode::from_name("NOT_AUTHENTIC"), Some(ErrorCode::NotAuthentic));
    /// assert_eq!(ErrorCode::from_name("not_authentic"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<ErrorCode> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Whether it says that what is stored was altered outside the vault: what is recorded before it is told.
    pub(crate) const fn is_finding(self) -> bool {
        matches!(self, ErrorCode::AuditTampered | ErrorCode::RecordTampered)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A code with a message for people. `Display` is the message alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: ErrorCode,
    message: Cow<'static, str>,
}

impl Error {
    /// An error with a code and a message. The message must hold no secret.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Error { code, message: message.into() }
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What was wrong and what to do next.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The uniform error for a value that does not open: no sub-reason, whatever failed.
    pub(crate) const fn not_authentic() -> Self {
        Error {
            code: ErrorCode::NotAuthentic,
            message: Cow::Borrowed(
                "Decryption failed - wrong key or altered value: check that ENCRYPTION_KEY is the key it was encrypted with, and \
                 that it is read in its place and with its associated data",
            ),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_one_without_gaps_and_names_are_unique() {
        for (index, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), index + 1, "{code}");
            assert_eq!(ErrorCode::from_name(code.name()), Some(*code));
            assert!(code.meaning().ends_with('.'), "{code}: a meaning is a sentence");
        }
        assert_eq!(ErrorCode::ALL.len(), 38);
    }
}
