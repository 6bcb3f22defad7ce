//! `.env` files, as names and secrets, without touching the environment.
//!
//! There are as many readings of such files as readers. This one takes what they agree on and refuses what they do not: no
//! `${...}` is expanded, single quotes are literal, an escape that is not known is an error, and so is a name that is there twice.

use super::{line_at, text_of};
use strongroom::{Error, ErrorCode, Result, SecretBytes};

/// How many variables a file may have.
const VARIABLES_MAX: usize = 10_000;

const WHAT: &str = ".env file";

/// Parses a `.env` file: names with their values, in the order of the file.
///
/// A line is empty, a comment (`#`), or `NAME=value`, with or without `export` before it and blanks around `=`. Names are
/// `[A-Za-z_][A-Za-z0-9_.-]*`. A bare value ends with its line, or before a `#` that follows a blank; blanks around it do
/// not count. Between single quotes everything stands for itself; between double quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$`
/// are escapes. Quoted values may have several lines, whose ends are LF whatever the file has.
///
/// Errors: `INVALID_ARGUMENT`, with the line and nothing of what stands there; `LIMIT_EXCEEDED` beyond 10 MiB or 10,000
/// variables.
///
/// ```
/// use strongroom_bindings::document::parse_dotenv;
/// let variables = parse_dotenv(b"# settings\nexport API_KEY='sk-1' # mine\nNOTE=\"two\\nlines\"\n")?;
/// assert_eq!((variables[0].0.as_str(), variables[0].1.expose()), ("API_KEY", &b"sk-1"[..]));
/// assert_eq!(variables[1].1.expose(), b"two\nlines");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn parse_dotenv(text: &[u8]) -> Result<Vec<(String, SecretBytes)>> {
    let mut file = File { rest: text_of(WHAT, text)?, line: 1 };
    let mut variables = Vec::new();
    let mut lines = Vec::new();
    while file.next_entry() {
        if variables.len() == VARIABLES_MAX {
            let message = format!("the {WHAT} has more than {VARIABLES_MAX} variables, which is the limit: split it");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        let line = file.line;
        let name = file.name()?;
        let value = file.value()?;
        variables.push((name, value));
        lines.push(line);
    }
    check_unique(&variables, &lines)?;
    Ok(variables)
}

fn check_unique(variables: &[(String, SecretBytes)], lines: &[usize]) -> Result<()> {
    let mut names: Vec<(&str, usize)> =
        variables.iter().zip(lines).map(|((name, _), line)| (name.as_str(), *line)).collect();
    names.sort_unstable();
    match names.array_windows().find(|[one, next]| one.0 == next.0) {
        Some([(_, first), (_, second)]) => {
            Err(fault(*second, &format!("the name is there already, in line {first}: remove one of them")))
        }
        None => Ok(()),
    }
}

fn fault(line: usize, why: &str) -> Error {
    super::fault(WHAT, line, why)
}

const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// What is left of the file, and the line where it begins.
struct File<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> File<'a> {
    /// Goes to the next line that is neither empty nor a comment. Nothing is left when there is none.
    fn next_entry(&mut self) -> bool {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
            if self.rest.is_empty() {
                return false;
            }
            if !self.rest.starts_with(['\n', '#']) {
                return true;
            }
            self.take_line();
        }
    }

    /// The rest of the line, its end left out.
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line += 1;
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn skip_blanks(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches(is_blank);
        self.rest.len() < before
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A name and the sign after it.
    fn name(&mut self) -> Result<String> {
        let mut name = self.word()?;
        let is_apart = self.skip_blanks();
        // `export=1` is a variable of that name.
        if name == "export" && is_apart && !self.rest.starts_with('=') {
            name = self.word()?;
            self.skip_blanks();
        }
        if self.take(1) != Some("=") {
            return Err(fault(self.line, "there is no = after the name"));
        }
        Ok(name.to_owned())
    }

    fn word(&mut self) -> Result<&'a str> {
        let is_first = self.rest.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        let length = self.rest.bytes().take_while(allowed).count();
        let word = if is_first { self.take(length) } else { None };
        word.ok_or_else(|| fault(self.line, "a name must begin here: letters A-Z a-z or _, then digits, . and - too"))
    }

    /// A value with the end of its line.
    fn value(&mut self) -> Result<SecretBytes> {
        let is_apart = self.skip_blanks();
        match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                let first_line = self.line;
                let _ = self.take(1);
                let inside = self.inside(quote).ok_or_else(|| fault(first_line, "the quote is not closed"))?;
                let value = unquoted(inside, quote).map_err(|(before, why)| {
                    let line = first_line + line_at(before.as_bytes()) - 1;
                    fault(line, why)
                })?;
                self.end()?;
                Ok(value)
            }
            Some('#') if is_apart => {
                self.take_line();
                Ok(SecretBytes::new(Vec::new()))
            }
            _ => {
                let line = self.line;
                let bare = without_comment(self.take_line()).trim_end_matches(is_blank);
                if bare.chars().any(|character| character.is_control() && character != '\t') {
                    return Err(fault(line, "the value has a control character: write it in double quotes"));
                }
                Ok(SecretBytes::copy_of(bare.as_bytes()))
            }
        }
    }

    /// What stands before the closing quote, which is taken too.
    fn inside(&mut self, quote: char) -> Option<&'a str> {
        let mut is_escaped = false;
        let end = self.rest.bytes().position(|byte| {
            let ends = !is_escaped && char::from(byte) == quote;
            is_escaped = quote == '"' && !is_escaped && byte == b'\\';
            ends
        })?;
        let inside = self.take(end)?;
        self.line += line_at(inside.as_bytes()) - 1;
        self.take(1).map(|_| inside)
    }

    /// After a closing quote: nothing, or a comment.
    fn end(&mut self) -> Result<()> {
        let line = self.line;
        let is_apart = self.skip_blanks();
        let rest = self.take_line();
        if rest.is_empty() || (is_apart && rest.starts_with('#')) {
            return Ok(());
        }
        Err(fault(line, "something follows the closing quote: put the whole value between quotes"))
    }
}

fn without_comment(line: &str) -> &str {
    let is_comment = |(index, _): &(usize, &str)| line.get(..*index).is_some_and(|before| before.ends_with(is_blank));
    let start = line.match_indices('#').find(is_comment).map_or(line.len(), |(index, _)| index);
    line.get(..start).unwrap_or(line)
}

/// What a quoted value stands for; or what stands before its fault, and why.
fn unquoted(inside: &str, quote: char) -> Result<SecretBytes, (&str, &'static str)> {
    // As long as it can get: a buffer that grew would leave copies behind.
    let mut value = zeroize::Zeroizing::new(Vec::with_capacity(inside.len()));
    let mut bytes = inside.bytes().enumerate().peekable();
    while let Some((index, byte)) = bytes.next() {
        let before = || inside.get(..index).unwrap_or_default();
        let meant = match byte {
            b'\0' => return Err((before(), "the value has a NUL character")),
            // The end of a line is LF, whatever the file has.
            b'\r' if bytes.peek().is_some_and(|(_, next)| *next == b'\n') => continue,
            b'\\' if quote == '"' => match bytes.next() {
                Some((_, b'n')) => b'\n',
                Some((_, b'r')) => b'\r',
                Some((_, b't')) => b'\t',
                Some((_, escaped @ (b'"' | b'\\' | b'$'))) => escaped,
                _ => {
                    return Err((
                        before(),
                        "the escape is not known: \\n \\r \\t \\\" \\\\ \\$ are, and \\\\ is a backslash",
                    ));
                }
            },
            byte => byte,
        };
        value.push(meant);
    }
    Ok(SecretBytes::new(std::mem::take(&mut *value)))
}
