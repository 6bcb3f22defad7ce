//! Documents that people write: JSON, YAML and TOML as trees, `.env` files as names and secrets.
//!
//! What is read is what every reader of the format reads the same way: a key that is there twice, an anchor, a tag or a key
//! that is no text is refused and not interpreted. All of it is bounded before it is built: 10 MiB of text, 64 levels,
//! 250,000 values. Errors give a line and repeat no value.
//!
//! ```
//! use strongroom_bindings::document::{Format, parse};
//! let tree = parse(Format::Json, br#"{"environment": {"API_KEY": "secret:API_KEY"}}"#)?;
//! let found = strongroom::reference::find(&tree)?;
//! assert_eq!(found[0].place.to_string(), "environment.API_KEY");
//! # Ok::<(), strongroom::Error>(())
//! ```

mod dotenv;
mod json;
#[cfg(feature = "documents")]
mod toml;
#[cfg(feature = "documents")]
mod yaml;

pub use dotenv::parse_dotenv;

use strongroom::wire::Json;
use strongroom::{Error, ErrorCode, Result};

/// The longest text of a document, in bytes.
pub const TEXT_MAX: usize = 10 * 1024 * 1024;

/// How deep a document may be: containers around a value.
pub const DEPTH_MAX: usize = 64;

/// How many values a document may have, containers included.
pub const VALUES_MAX: usize = 250_000;

/// In what a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, RFC 8259.
    Json,
    /// YAML 1.2, one document, its core schema; without anchors, merge keys, directives and tags but `!!str`.
    Yaml,
    /// TOML 1.1. Dates and times are text.
    Toml,
}

impl Format {
    /// The format of that name: `json`, `yaml` or `toml`. Errors: `INVALID_ARGUMENT`.
    pub fn from_name(name: &str) -> Result<Format> {
        match name {
            "json" => Ok(Format::Json),
            "yaml" => Ok(Format::Yaml),
            "toml" => Ok(Format::Toml),
            _ => Err(Error::new(ErrorCode::InvalidArgument, "the format of a document must be json, yaml or toml")),
        }
    }

    /// The format of a file, by how its name ends: `.json`, `.yaml`, `.yml` or `.toml`. Errors: `INVALID_ARGUMENT`.
    ///
    /// ```
    /// use strongroom_bindings::document::Format;
    /// assert_eq!(Format::of_path("/etc/scheduler/config.yml")?, Format::Yaml);
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn of_path(path: &str) -> Result<Format> {
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        Format::from_name(if ending == "yml" { "yaml" } else { &ending }).map_err(|_| {
            let message = "the file's name does not tell its format: it must end in .json, .yaml, .yml or .toml";
            Error::new(ErrorCode::InvalidArgument, message)
        })
    }

    const fn shown(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::Yaml => "YAML",
            Format::Toml => "TOML",
        }
    }
}

/// Parses a document. A byte-order mark at its start is left out; lines end in LF or CRLF.
///
/// Numbers with a fraction or an exponent, infinities, NaN and integers of more than 64 bits are [`Json::Fraction`]: no
/// shape of strongroom has a place for them. Errors: `INVALID_ARGUMENT`, with the line; `LIMIT_EXCEEDED`; `UNSUPPORTED` for
/// YAML and TOML where they were left out.
pub fn parse(format: Format, text: &[u8]) -> Result<Json> {
    let text = text_of(format.shown(), text)?;
    match format {
        Format::Json => json::parse(text),
        #[cfg(feature = "documents")]
        Format::Yaml => yaml::parse(text),
        #[cfg(feature = "documents")]
        Format::Toml => toml::parse(text),
        #[cfg(not(feature = "documents"))]
        Format::Yaml | Format::Toml => {
            let message = "this package reads no YAML or TOML: parse the document first, and give JSON";
            Err(Error::new(ErrorCode::Unsupported, message))
        }
    }
}

/// The text of a document: at most [`TEXT_MAX`] bytes of UTF-8, without its byte-order mark.
fn text_of<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str> {
    if bytes.len() > TEXT_MAX {
        return Err(limit(what, "has more than 10 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        fault(what, line_at(before), "it is not UTF-8: save it as that")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The line, counted from 1, of what stands after these bytes.
fn line_at(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn fault(what: &str, line: usize, why: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("the {what} cannot be read, line {line}: {why}"))
}

fn limit(what: &str, why: &str) -> Error {
    Error::new(ErrorCode::LimitExceeded, format!("the {what} {why}, which is the limit: split it"))
}

fn too_deep(what: &str) -> Error {
    limit(what, "is nested deeper than 64 levels")
}

fn too_many(what: &str) -> Error {
    limit(what, "has more than 250,000 values")
}

/// Whether an object has a key twice.
fn has_doubled(fields: &[(String, Json)]) -> bool {
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.array_windows().any(|[one, next]| one == next)
}

#[cfg(test)]
mod tests;
