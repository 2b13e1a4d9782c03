//! Where logs go: to stderr for programs in the foreground, as JSON lines into a private file of the state folder for the daemon.
//!
//! Owner of: the process-wide subscriber, and the log file with its older generations (`daemon.log.1`, ...). Libraries never log below
//! `info`, whatever the filter says: their debug output holds headers and bodies of requests.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::redact;

/// Name of the daemon's log in its folder.
pub const LOG_FILE: &str = "daemon.log";
/// A log file that would grow beyond this is put aside first.
const MAX_LOG_BYTES: u64 = 8 * 1024 * 1024;
/// Log files that are kept besides the current one.
const KEPT_LOGS: u32 = 3;

/// Where logs go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogOutput {
    /// Readable lines on stderr.
    Stderr,
    /// JSON lines in [`LOG_FILE`] of this folder.
    Folder(PathBuf),
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter cannot be understood.
    #[error("the log filter {filter:?} is not a level or a list like \"info,vaultfs::sync=debug\"")]
    Filter {
        /// As it was given.
        filter: String,
        /// The cause.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log file cannot be opened.
    #[error("cannot open the log {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Somebody has set a subscriber before.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging for the whole process. `filter` is a level or a list of `target=level`; `names` shows file names in clear.
pub fn init(filter: &str, names: bool, output: &LogOutput) -> Result<(), LoggingError> {
    redact::show_names(names);
    let started = match output {
        LogOutput::Stderr => subscriber(filter, io::stderr, Format::Lines)?.try_init(),
        LogOutput::Folder(folder) => {
            let path = folder.join(LOG_FILE);
            let file = RotatingFile::open(&path, MAX_LOG_BYTES)
                .map_err(|source| LoggingError::File { path: path.clone(), source })?;
            subscriber(filter, Mutex::new(file), Format::Json)?.try_init()
        }
    };
    started.map_err(|_already_set| LoggingError::Twice)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Lines,
    Json,
}

fn subscriber<W>(filter: &str, writer: W, format: Format) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let chosen = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })?
        .and(filter_fn(is_ours_or_harmless));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    Ok(match format {
        Format::Lines => Box::new(tracing_subscriber::registry().with(layer.with_filter(chosen))),
        Format::Json => Box::new(tracing_subscriber::registry().with(layer.json().with_filter(chosen))),
    })
}

fn is_ours_or_harmless(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("vaultfs") || *metadata.level() <= Level::INFO
}

/// A file that is put aside when it is full. Readable by its owner only.
struct RotatingFile {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl RotatingFile {
    fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        file.set_permissions(PermissionsExt::from_mode(0o600))?; // it may be older than this rule
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written, limit })
    }

    fn generation(&self, age: u32) -> PathBuf {
        match age {
            0 => self.path.clone(),
            age => {
                let mut name = self.path.clone().into_os_string();
                name.push(format!(".{age}"));
                name.into()
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        for age in (0..KEPT_LOGS).rev() {
            match std::fs::rename(self.generation(age), self.generation(age + 1)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        *self = Self::open(&self.path, self.limit)?;
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.written > 0 && self.written.saturating_add(length) > self.limit {
            // A log that cannot be put aside goes on: losing lines would be worse than a long file.
            let _unrotated = self.rotate();
        }
        let written = self.file.write(line)?;
        self.written += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn captured(filter: &str, format: Format, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(filter, move || writer.clone(), format).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn libraries_stay_silent_about_requests_even_at_trace() {
        let log = captured("trace", Format::Lines, || {
            tracing::debug!(target: "hyper::proto", "authorization: Bearer planted-token");
            tracing::info!(target: "hyper::proto", "listening");
            tracing::trace!(target: "vaultfs::fetch", "a detail of ours");
        });
        assert!(
            !log.contains("planted-token") && log.contains("listening") && log.contains("a detail of ours"),
            "{log}"
        );
    }

    #[test]
    fn the_filter_is_per_target_and_json_lines_are_objects() {
        let log = captured("warn,vaultfs::sync=debug", Format::Json, || {
            tracing::debug!(target: "vaultfs::sync", step = 7, "planned");
            tracing::info!(target: "vaultfs::fetch", "hidden");
        });
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert_eq!((&lines[0]["level"], &lines[0]["fields"]["step"]), (&"DEBUG".into(), &7.into()));
    }

    #[test]
    fn a_wrong_filter_is_an_error() {
        let error = subscriber("vaultfs=loud", io::sink, Format::Lines).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("vaultfs=loud"));
    }

    #[test]
    fn the_file_is_private_and_rotates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOG_FILE);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let mut file = RotatingFile::open(&path, 100).unwrap();
        for line in 0..30u8 {
            file.write_all(&[b'a' + line % 26; 40]).unwrap();
        }
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["daemon.log", "daemon.log.1", "daemon.log.2", "daemon.log.3"]);
        for name in names {
            let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, 80));
        }
        let newest = std::fs::read(&path).unwrap();
        assert_eq!((newest[0], newest[79]), (b'c', b'd'), "lines 28 and 29 are in the current file");
    }
}
