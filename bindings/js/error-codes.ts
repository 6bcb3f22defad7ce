// Generated from core/src/error.rs by bindings/tests/error_table.rs; do not edit.

/** Every code with its number, whether trying again may help, and its meaning. */
export const ERROR_CODES = {
  /** No encryption key was given: make one with `openssl rand -base64 32` and set ENCRYPTION_KEY. */
  NOT_CONFIGURED: {
    number: 1,
    retryable: false,
    meaning:
      "No encryption key was given: make one with `openssl rand -base64 32` and set ENCRYPTION_KEY.",
  },
  /** Key text is not a key: give srk1 text, base64 or 64 hex digits of 32 random bytes. */
  KEY_INVALID: {
    number: 2,
    retryable: false,
    meaning:
      "Key text is not a key: give srk1 text, base64 or 64 hex digits of 32 random bytes.",
  },
  /** The value names a key that is not in the keyring: add the key that it was sealed with. */
  KEY_UNKNOWN: {
    number: 3,
    retryable: false,
    meaning:
      "The value names a key that is not in the keyring: add the key that it was sealed with.",
  },
  /** The value does not open: the key is wrong, the value was altered, or it belongs to another place. */
  NOT_AUTHENTIC: {
    number: 4,
    retryable: false,
    meaning:
      "The value does not open: the key is wrong, the value was altered, or it belongs to another place.",
  },
  /** The text is no value in any known format: check that it was stored and read back whole. */
  TOKEN_MALFORMED: {
    number: 5,
    retryable: false,
    meaning:
      "The text is no value in any known format: check that it was stored and read back whole.",
  },
  /** The actor may not do this: ask someone who may, or change the rule. */
  PERMISSION_DENIED: {
    number: 6,
    retryable: false,
    meaning:
      "The actor may not do this: ask someone who may, or change the rule.",
  },
  /** The actor's session has ended: sign in again. */
  SESSION_EXPIRED: {
    number: 7,
    retryable: false,
    meaning:
      "The actor's session has ended: sign in again.",
  },
  /** There is no secret of that name: check the spelling against the list. */
  SECRET_NOT_FOUND: {
    number: 8,
    retryable: false,
    meaning:
      "There is no secret of that name: check the spelling against the list.",
  },
  /** A secret of that name is there already: rotate it, or choose another name. */
  SECRET_EXISTS: {
    number: 9,
    retryable: false,
    meaning:
      "A secret of that name is there already: rotate it, or choose another name.",
  },
  /** The secret's life is over: set a new value. */
  SECRET_EXPIRED: {
    number: 10,
    retryable: false,
    meaning:
      "The secret's life is over: set a new value.",
  },
  /** The secret is disabled: enable it first. */
  SECRET_DISABLED: {
    number: 11,
    retryable: false,
    meaning:
      "The secret is disabled: enable it first.",
  },
  /** A name, namespace or actor breaks the rules for it: the message says which. */
  NAME_INVALID: {
    number: 12,
    retryable: false,
    meaning:
      "A name, namespace or actor breaks the rules for it: the message says which.",
  },
  /** The value is empty or too long: the message gives the limit. */
  VALUE_INVALID: {
    number: 13,
    retryable: false,
    meaning:
      "The value is empty or too long: the message gives the limit.",
  },
  /** The secret has no such version: list its versions. */
  VERSION_NOT_FOUND: {
    number: 14,
    retryable: false,
    meaning:
      "The secret has no such version: list its versions.",
  },
  /** That version was marked compromised and is never used again: set a new value. */
  VERSION_COMPROMISED: {
    number: 15,
    retryable: false,
    meaning:
      "That version was marked compromised and is never used again: set a new value.",
  },
  /** No proposal with that id is waiting: propose the change again. */
  CONFIRMATION_NOT_FOUND: {
    number: 16,
    retryable: false,
    meaning:
      "No proposal with that id is waiting: propose the change again.",
  },
  /** The proposal was not confirmed in time: propose the change again. */
  CONFIRMATION_EXPIRED: {
    number: 17,
    retryable: false,
    meaning:
      "The proposal was not confirmed in time: propose the change again.",
  },
  /** Only the one who proposed a change can confirm it, on the same platform. */
  CONFIRMATION_MISMATCH: {
    number: 18,
    retryable: false,
    meaning:
      "Only the one who proposed a change can confirm it, on the same platform.",
  },
  /** The secret has changed since the proposal: look again, then propose again. */
  CHANGED_SINCE_PROPOSED: {
    number: 19,
    retryable: false,
    meaning:
      "The secret has changed since the proposal: look again, then propose again.",
  },
  /** Other writers kept coming first: nothing was done, try again. */
  CONFLICT: {
    number: 20,
    retryable: true,
    meaning:
      "Other writers kept coming first: nothing was done, try again.",
  },
  /** The store failed or gave a wrong answer: look at the cause, then try again. */
  STORAGE_FAILED: {
    number: 21,
    retryable: true,
    meaning:
      "The store failed or gave a wrong answer: look at the cause, then try again.",
  },
  /** A stored record was altered outside the vault: restore it from a backup and find out who did it. */
  RECORD_TAMPERED: {
    number: 22,
    retryable: false,
    meaning:
      "A stored record was altered outside the vault: restore it from a backup and find out who did it.",
  },
  /** The audit history was altered outside the vault: the message names the first bad event. */
  AUDIT_TAMPERED: {
    number: 23,
    retryable: false,
    meaning:
      "The audit history was altered outside the vault: the message names the first bad event.",
  },
  /** The store holds a vault's data but not its head record: restore the head from a backup. */
  VAULT_HEAD_MISSING: {
    number: 24,
    retryable: false,
    meaning:
      "The store holds a vault's data but not its head record: restore the head from a backup.",
  },
  /** The primary of the keyring is not the vault's: load the current keys, or rekey. */
  KEYRING_STALE: {
    number: 25,
    retryable: false,
    meaning:
      "The primary of the keyring is not the vault's: load the current keys, or rekey.",
  },
  /** Stored values still need the key: rekey first. */
  KEY_IN_USE: {
    number: 26,
    retryable: false,
    meaning:
      "Stored values still need the key: rekey first.",
  },
  /** A reference cannot be read: write secret:NAME, env:VAR or file:PATH. */
  REFERENCE_INVALID: {
    number: 27,
    retryable: false,
    meaning:
      "A reference cannot be read: write secret:NAME, env:VAR or file:PATH.",
  },
  /** A reference points at nothing: the message lists each one. */
  REFERENCE_UNRESOLVED: {
    number: 28,
    retryable: false,
    meaning:
      "A reference points at nothing: the message lists each one.",
  },
  /** The backup cannot be opened: check the passphrase and that the file is whole. */
  BACKUP_INVALID: {
    number: 29,
    retryable: false,
    meaning:
      "The backup cannot be opened: check the passphrase and that the file is whole.",
  },
  /** The manifest has errors: the message lists them with their lines. */
  MANIFEST_INVALID: {
    number: 30,
    retryable: false,
    meaning:
      "The manifest has errors: the message lists them with their lines.",
  },
  /** The input is larger than the limit: the message gives the limit. */
  LIMIT_EXCEEDED: {
    number: 31,
    retryable: false,
    meaning:
      "The input is larger than the limit: the message gives the limit.",
  },
  /** The rotator failed, or others changed the secret meanwhile: run it again. */
  ROTATION_FAILED: {
    number: 32,
    retryable: true,
    meaning:
      "The rotator failed, or others changed the secret meanwhile: run it again.",
  },
  /** This host or format cannot do that: the message says what can. */
  UNSUPPORTED: {
    number: 33,
    retryable: false,
    meaning:
      "This host or format cannot do that: the message says what can.",
  },
  /** The operating system gave no randomness: nothing was done. */
  ENTROPY_FAILED: {
    number: 34,
    retryable: true,
    meaning:
      "The operating system gave no randomness: nothing was done.",
  },
  /** An argument or option is not understood: the message names it. */
  INVALID_ARGUMENT: {
    number: 35,
    retryable: false,
    meaning:
      "An argument or option is not understood: the message names it.",
  },
  /** The chat command is not understood: the message shows how to write it. */
  COMMAND_INVALID: {
    number: 36,
    retryable: false,
    meaning:
      "The chat command is not understood: the message shows how to write it.",
  },
  /** A reply does not answer the open request: answer each request once, with its number. */
  STALE_REPLY: {
    number: 37,
    retryable: false,
    meaning:
      "A reply does not answer the open request: answer each request once, with its number.",
  },
  /** The operation has ended: start a new one. */
  FLOW_DONE: {
    number: 38,
    retryable: false,
    meaning:
      "The operation has ended: start a new one.",
  },
} as const;

/** The name of an error code: stable, for programs to go by. */
export type ErrorCode = keyof typeof ERROR_CODES;
