//! The environment and the files of this machine, for Rust hosts.

use std::io::{Error, ErrorKind, Read};
use strongroom::SecretBytes;
use strongroom::store::{Host, Refusal};
use zeroize::Zeroizing;

/// The largest file that is read, in bytes: sixteen times the longest value that a vault takes unless told otherwise.
pub const FILE_MAX: usize = 1024 * 1024;

/// The environment of this process and the files that it can read; it rotates nothing.
///
/// ```
/// use strongroom::store::Host;
/// use strongroom_bindings::SystemHost;
/// assert_eq!(SystemHost.read_env("STRONGROOM_NO_SUCH_VARIABLE").unwrap(), None);
/// assert_eq!(SystemHost.read_file("/no/such/file").unwrap(), None);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    type Error = Error;

    fn read_env(&mut self, name: &str) -> Result<Option<SecretBytes>, Refusal<Error>> {
        Ok(std::env::var_os(name).map(|value| SecretBytes::new(value.into_encoded_bytes())))
    }

    /// Errors: what the system says; `InvalidInput` for what is no file, or a longer one than 1 MiB.
    fn read_file(&mut self, path: &str) -> Result<Option<SecretBytes>, Refusal<Error>> {
        match read(path) {
            Ok(content) => Ok(Some(content)),
            // A part of the path that is no folder: there is no such file either.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Refusal::Failed(error)),
        }
    }
}

fn read(path: &str) -> Result<SecretBytes, Error> {
    let odd = || Error::new(ErrorKind::InvalidInput, "it is no file of at most 1 MiB");
    // Looked at before it is opened: to open a pipe is to wait for whoever writes into it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(odd());
    }
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if !metadata.is_file() || length > FILE_MAX {
        return Err(odd());
    }
    // As long as it can get, so that it never moves: files of the kernel's say that they are empty.
    let room = if length == 0 { FILE_MAX } else { length }.saturating_add(1);
    let mut content = Zeroizing::new(Vec::with_capacity(room));
    file.take(u64::try_from(room).unwrap_or(u64::MAX)).read_to_end(&mut content)?;
    if content.len() == room {
        return Err(odd());
    }
    Ok(SecretBytes::new(std::mem::take(&mut content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &std::path::Path) -> ErrorKind {
        match SystemHost.read_file(path.to_str().unwrap()) {
            Err(Refusal::Failed(error)) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_are_read_to_the_longest_and_nothing_else_is() {
        let folder = std::env::temp_dir().join(format!("strongroom-system-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        for length in [0, 1, FILE_MAX] {
            std::fs::write(&file, vec![7; length]).unwrap();
            let read = SystemHost.read_file(file.to_str().unwrap()).unwrap().unwrap();
            assert_eq!(read.len(), length);
        }
        std::fs::write(&file, vec![7; FILE_MAX + 1]).unwrap();
        assert_eq!((kind(&file), kind(&folder)), (ErrorKind::InvalidInput, ErrorKind::InvalidInput));
        assert!(matches!(SystemHost.read_file(file.join("under").to_str().unwrap()), Ok(None)));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pipe_is_refused_before_it_is_waited_for_and_a_file_without_a_length_is_read() {
        assert_eq!(kind(std::path::Path::new("/dev/zero")), ErrorKind::InvalidInput);
        assert!(!SystemHost.read_file("/proc/self/status").unwrap().unwrap().is_empty());
    }
}
