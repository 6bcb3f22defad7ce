//! The chat command language: text in, words and buttons out. Values are masked in every answer.
//!
//! `secret set NAME VALUE`, `get NAME`, `list`, `rotate NAME VALUE`, `delete NAME`, `audit NAME`, `confirm ID`,
//! `cancel ID`. A value is the rest of the line, verbatim. A name may be written `namespace:name`.

mod parse;
mod words;

use crate::error::{Error, ErrorCode, Result};
use crate::flow::Io;
use crate::ident::Actor;
use crate::mask::{MaskStyle, mask};
use crate::ops::{self, NewValue, Rotation, Setting, Settings};
use crate::record::Change;
use crate::secret::SecretBytes;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use parse::Command;
use serde::Serialize;

/// How many events `secret audit` shows.
const EVENTS_SHOWN: u32 = 20;

/// A button under an answer. Pressing it runs its command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Button {
    /// What it says.
    pub label: String,
    /// The command that it stands for, at most 64 bytes: what Telegram lets a button carry.
    pub command: String,
}

/// The answer to a chat command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CommandReply {
    /// The words.
    pub text: String,
    /// The buttons, if there is something to decide. The words say how to decide without them.
    pub buttons: Vec<Button>,
    /// Whether the message carried a value: the host should delete it.
    pub carried_value: bool,
    /// The error code, when the command was refused or failed.
    pub code: Option<String>,
}

/// Runs a command. Errors: those that the sender can do nothing about; all others are answered in words.
pub(crate) async fn run(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    text: &SecretBytes,
    confirm: &[Change],
) -> Result<CommandReply> {
    // EXPOSE: parsed here; a value goes straight back into a secret.
    let command = parse::parse(text.expose());
    let carried_value = command.as_ref().map_or_else(|refusal| refusal.carried_value, Command::carries_value);
    let answered = match command {
        Ok(command) => execute(io, settings, actor, command, confirm).await,
        // Not even the usage is for everybody.
        Err(refusal) => ops::authorize_command(io, settings, actor).await.and(Err(refusal.error)),
    };
    let reply = match answered {
        Ok(reply) => reply,
        Err(error) if is_for_the_operator(&error) => return Err(error),
        Err(error) => {
            io.refused(error.code());
            CommandReply {
                text: error.message().to_string(),
                code: Some(error.code().name().to_string()),
                ..CommandReply::default()
            }
        }
    };
    Ok(CommandReply { carried_value, ..reply })
}

/// Failures of the store, the keys or the machine are the operator's to mend, not the sender's.
fn is_for_the_operator(error: &Error) -> bool {
    use ErrorCode as C;
    matches!(
        error.code(),
        C::StorageFailed | C::EntropyFailed | C::VaultHeadMissing | C::NotConfigured | C::KeyringStale
    )
}

async fn execute(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    command: Command,
    confirm: &[Change],
) -> Result<CommandReply> {
    Ok(match command {
        Command::Change { change, slot, value } if confirm.contains(&change) => {
            let proposed = ops::propose(io, settings, actor, &slot, (change, value.as_ref())).await?;
            let button = |label: &str, verb: &str| Button {
                label: label.to_string(),
                command: alloc::format!("secret {verb} {}", proposed.id),
            };
            let buttons = vec![button("Confirm", "confirm"), button("Cancel", "cancel")];
            CommandReply { text: words::proposed(&slot, &proposed, io.now()), buttons, ..CommandReply::default() }
        }
        Command::Change { change, slot, value } => {
            let written = match (change, value) {
                (Change::Set, Some(value)) => {
                    let given = (&NewValue::Given(value), &Setting::default());
                    ops::set(io, settings, actor, &slot, given).await?
                }
                (Change::Rotate, Some(value)) => {
                    let rotation = Rotation::to(value);
                    ops::rotate(io, settings, actor, &slot, &rotation).await?
                }
                _ => ops::delete(io, settings, actor, &slot).await?,
            };
            words_only(words::written(change, &written))
        }
        Command::Get { slot } => {
            let revealed = ops::get(io, settings, actor, &slot).await?;
            // EXPOSE: masked on the way.
            let masked = mask(revealed.value.expose(), MaskStyle::Prefix4);
            words_only(alloc::format!("{slot}: {masked}"))
        }
        Command::List => words_only(words::list(&ops::list(io, settings, actor, None).await?)),
        Command::Audit { slot } => {
            let history = ops::audit(io, settings, actor, Some(&slot), EVENTS_SHOWN).await?;
            words_only(words::history(&slot, &history))
        }
        Command::Confirm { id } => {
            let confirmed = ops::confirm(io, settings, actor, &id).await?;
            words_only(words::written(confirmed.change, &confirmed.written))
        }
        Command::Help => {
            ops::authorize_command(io, settings, actor).await?;
            words_only(alloc::format!("These are the commands:\n{}", parse::USAGE))
        }
        Command::Cancel { id } => {
            ops::cancel(io, settings, actor, &id).await?;
            words_only("Cancelled. Nothing was changed.".to_string())
        }
    })
}

fn words_only(text: String) -> CommandReply {
    CommandReply { text, ..CommandReply::default() }
}
