//! One mount, from the first request to the last.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption, SessionACL};

use super::adapter::Adapter;
use super::invalidate::Invalidator;
use super::{platform, table};
use crate::sys::disk::disk_space;
use crate::vfs::VaultFs;

/// Who may use the mount besides the person who mounted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Access {
    /// Nobody.
    #[default]
    Owner,
    /// Everybody, as far as permission bits allow (needs `user_allow_other` in `/etc/fuse.conf` unless root mounts).
    All,
}

/// How to mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountOptions {
    /// Shown as the source of the mount.
    pub vault_name: String,
    /// Who may use it.
    pub access: Access,
    /// Refuse writes.
    pub read_only: bool,
    /// Let the kernel read and write by itself what it may.
    pub passthrough: bool,
}

/// Why a vault could not be mounted or unmounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The mount point does not exist.
    #[error("the mount point {0} does not exist")]
    Missing(PathBuf),
    /// The mount point is not a folder.
    #[error("the mount point {0} is not a folder")]
    NotFolder(PathBuf),
    /// The mount point holds entries that the mount would hide.
    #[error("the mount point {0} is not empty")]
    NotEmpty(PathBuf),
    /// Something is mounted there.
    #[error("{0} is in use by another mount")]
    Busy(PathBuf),
    /// The machine has no FUSE.
    #[error("this machine offers no FUSE: {0}")]
    NoFuse(&'static str),
    /// The mount is in use.
    #[error("{0} is in use: programs have files or folders of it open")]
    InUse(PathBuf),
    /// The system refused.
    #[error("{operation} {dir}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Where.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A program that only looks (`df`, an indexer, a file manager that is told of the unmount) uses a mount for a moment. No event tells
/// when it stops.
const IN_USE_PATIENCE: Duration = Duration::from_secs(1);
const IN_USE_PAUSE: Duration = Duration::from_millis(50);

/// A mounted vault. Dropping it unmounts.
pub struct MountedVault {
    dir: PathBuf,
    vfs: Arc<VaultFs>,
    session: Option<BackgroundSession>,
    notices: Vec<JoinHandle<()>>,
}

impl MountedVault {
    /// Mounts a vault on an empty folder and returns once it answers. A dead mount of ours at that place is taken away first.
    pub fn mount(vfs: Arc<VaultFs>, dir: &Path, options: &MountOptions) -> Result<Self, MountError> {
        let dir = prepare_mount_point(dir)?;
        let system = |operation: &'static str| {
            let dir = dir.clone();
            move |source| MountError::System { operation, dir, source }
        };
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(format!("{}{}", table::SOURCE_PREFIX, options.vault_name.replace(',', "_"))),
            MountOption::Subtype("vaultfs".into()),
            MountOption::DefaultPermissions,
            MountOption::NoSuid,
            MountOption::NoDev,
            MountOption::NoAtime,
        ];
        if options.read_only {
            config.mount_options.push(MountOption::RO);
        }
        config.acl = match options.access {
            Access::Owner => SessionACL::Owner,
            Access::All => SessionACL::All,
        };
        config.n_threads = Some(platform::threads());
        let session = fuser::spawn_mount(Adapter::new(Arc::clone(&vfs), options.passthrough), &dir, &config)
            .map_err(system("mount"))?;
        let (invalidator, notices) =
            Invalidator::start(session.notifier(), Arc::clone(&vfs)).map_err(system("mount"))?;
        vfs.set_notices(Arc::new(invalidator));
        Ok(Self { dir, vfs, session: Some(session), notices: notices.into() })
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Unmounts and waits until the last request is answered. A mount that stays in use stays as it is.
    pub fn unmount(mut self) -> Result<(), Box<(Self, MountError)>> {
        let patient_until = Instant::now() + IN_USE_PATIENCE;
        loop {
            match detach(&self.dir, false) {
                Ok(()) => break,
                Err(MountError::InUse(_)) if Instant::now() < patient_until => std::thread::sleep(IN_USE_PAUSE),
                Err(error) => return Err(Box::new((self, error))),
            }
        }
        self.finish();
        Ok(())
    }

    /// Takes the mount off its folder at once; programs that use it keep their handles until they close them or the daemon ends.
    pub fn detach(mut self) -> Result<(), MountError> {
        detach(&self.dir, true)?;
        self.finish();
        Ok(())
    }

    fn finish(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.umount_and_join()
        {
            tracing::debug!(%error, "the session ended with an error after the unmount");
        }
        self.vfs.clear_notices();
        self.vfs.save_all();
        for notices in self.notices.drain(..) {
            if notices.join().is_err() {
                tracing::error!("a notice thread panicked");
            }
        }
    }
}

impl Drop for MountedVault {
    fn drop(&mut self) {
        if self.session.is_some() {
            if let Err(error) = detach(&self.dir, true) {
                tracing::warn!(%error, "the mount could not be taken away");
            }
            self.finish();
        }
    }
}

/// Takes away a mount whose daemon has died.
pub fn take_away_dead(dir: &Path) -> Result<(), MountError> {
    detach(dir, true)
}

/// Checks the mount point and clears a dead mount of ours from it.
fn prepare_mount_point(dir: &Path) -> Result<PathBuf, MountError> {
    let absolute = std::path::absolute(dir).map_err(|source| MountError::System {
        operation: "resolve",
        dir: dir.into(),
        source,
    })?;
    if is_dead(&absolute) {
        tracing::info!(dir = %absolute.display(), "taking away a mount whose daemon has died");
        detach(&absolute, true)?;
    }
    let metadata = match std::fs::metadata(&absolute) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(MountError::Missing(absolute)),
        Err(source) => return Err(MountError::System { operation: "look at", dir: absolute, source }),
    };
    if !metadata.is_dir() {
        return Err(MountError::NotFolder(absolute));
    }
    let canonical = absolute.canonicalize().map_err(|source| MountError::System {
        operation: "resolve",
        dir: absolute.clone(),
        source,
    })?;
    let busy = table::is_mount_point(&canonical).map_err(|source| MountError::System {
        operation: "look at",
        dir: canonical.clone(),
        source,
    })?;
    if busy {
        return Err(MountError::Busy(canonical));
    }
    let mut entries = std::fs::read_dir(&canonical).map_err(|source| MountError::System {
        operation: "list",
        dir: canonical.clone(),
        source,
    })?;
    if entries.next().is_some() {
        return Err(MountError::NotEmpty(canonical));
    }
    if let Some(reason) = platform::missing_fuse() {
        return Err(MountError::NoFuse(reason));
    }
    Ok(canonical)
}

/// True if a mount is there whose daemon has died. `stat` would not tell: the kernel still answers it from its cache. Free space is
/// never cached, and answered by a living daemon without a lock.
pub fn is_dead(dir: &Path) -> bool {
    disk_space(dir).is_err_and(|error| error.raw_os_error() == Some(libc::ENOTCONN))
}

/// Takes a mount off its folder by the system's own programs. `lazy` also works while it is in use
/// or its daemon is dead.
pub(super) fn detach(dir: &Path, lazy: bool) -> Result<(), MountError> {
    let run = |program: &str, arguments: &[&str]| Command::new(program).args(arguments).arg(dir).output();
    let attempts = if lazy { platform::DETACH_LAZY } else { platform::DETACH };
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for (program, arguments) in attempts {
        match run(program, arguments) {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                if text.contains("busy") {
                    return Err(MountError::InUse(dir.into()));
                }
                last = std::io::Error::other(text);
            }
            Err(error) => last = error,
        }
    }
    Err(MountError::System { operation: "unmount", dir: dir.into(), source: last })
}
