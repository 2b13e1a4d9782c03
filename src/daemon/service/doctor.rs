//! Looking for trouble; and what the daemon says of itself, and in numbers.

use std::sync::Arc;
use std::time::Duration;

use super::words;
use crate::control::protocol::{API_VERSION, DaemonStatus, DoctorReport, ErrorCode, Finding, Problem, StopReport};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, StopReason, problems};
use crate::mount::table;
use crate::telemetry::metrics;
use crate::vaults::Vault;

/// How long a provider may take to answer `doctor`.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);

impl Daemon {
    pub(super) async fn own_status(&self) -> Reply<DaemonStatus> {
        self.forget_unmounted().await;
        Ok(DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: API_VERSION,
            pid: std::process::id(),
            started_at: self.started_at.to_rfc3339(),
            device: self.config.settings().device_name,
            mounts: self.mount_infos(&self.mounts.records()).await,
            problems: self.problems(),
        })
    }

    pub(super) async fn ask_to_stop(self: &Arc<Self>) -> Reply<StopReport> {
        let unsent = self.all_unsent().await?;
        self.stop.send_replace(StopReason::Asked);
        Ok(StopReport { pid: std::process::id(), unsent })
    }

    pub(super) fn numbers(&self) -> Reply<String> {
        let metrics = metrics();
        metrics.mounted_vaults.set(super::status::count(self.mounts.records().len()));
        Ok(metrics.render())
    }

    /// Looks for trouble; with `mend` it puts right what a program may put right.
    pub(super) async fn examine(self: &Arc<Self>, vault: Option<&str>, mend: bool) -> Reply<DoctorReport> {
        let mut findings = vec![fuse_finding()];
        let registry = self.load_registry().await;
        findings.push(finding(
            "registry",
            None,
            registry
                .as_ref()
                .map(|registry| format!("{} vaults in {}", registry.list().len(), self.registry.path().display()))
                .map_err(Clone::clone),
        ));
        findings.push(self.mounts_finding().await);
        findings.extend(self.account_findings().await);
        for problem in self.problems() {
            findings.push(finding("daemon", None, Err(problem)));
        }
        if registry.is_ok() {
            for vault in self.find_all(vault).await? {
                findings.extend(self.examine_vault(&vault, mend).await);
            }
        }
        Ok(DoctorReport { findings })
    }

    /// Mounts whose daemon is dead. Those of other daemons that live are nobody's trouble.
    async fn mounts_finding(&self) -> Finding {
        let own = self.mounts.records();
        let count = own.len();
        let dead = blocking(move || {
            let there = table::mounted().map_err(|error| problems::of(ErrorCode::Io, &error))?;
            let others = there.into_iter().filter(|there| !own.iter().any(|own| own.dir == there.dir));
            Ok(others.map(|there| there.dir).filter(|dir| crate::mount::is_dead(dir)).collect::<Vec<_>>())
        });
        match tokio::time::timeout(PROVIDER_TIMEOUT, dead).await {
            Ok(Ok(dead)) if dead.is_empty() => finding("mounts", None, Ok(format!("{count} mounted, none is dead"))),
            Ok(Ok(dead)) => {
                let dirs: Vec<String> = dead.iter().map(|dir| dir.display().to_string()).collect();
                let hint = format!("`vaultfs unmount {}` takes it away", dirs[0]);
                let what = format!("the daemon behind {} is dead", dirs.join(", "));
                finding("mounts", None, Err(Problem::new(ErrorCode::MountpointBusy, what).hint(hint)))
            }
            Ok(Err(problem)) => finding("mounts", None, Err(problem)),
            Err(_) => {
                let what = "a mount of another daemon does not answer";
                finding("mounts", None, Err(Problem::new(ErrorCode::TimedOut, what)))
            }
        }
    }

    async fn examine_vault(self: &Arc<Self>, vault: &Vault, mend: bool) -> Vec<Finding> {
        let name = Some(vault.name.as_str());
        let open = match self.open_soon(vault).await {
            Ok(open) => open,
            Err(problem) => return vec![finding("open", name, Err(problem))],
        };
        let mut findings = open.ailments(mend).await;
        findings.push(open.space_finding().await);
        findings.push(open.provider_finding().await);
        findings.push(open.sync_finding().await);
        findings.push(open.aside_finding().await);
        findings
    }
}

impl OpenVault {
    async fn space_finding(self: &Arc<Self>) -> Finding {
        let vault = Arc::clone(self);
        finding("space", Some(&self.name()), blocking(move || vault.space_summary()).await)
    }

    async fn provider_finding(&self) -> Finding {
        let name = self.name();
        let answered = match tokio::time::timeout(PROVIDER_TIMEOUT, self.provider.root()).await {
            Ok(Ok(_)) => Ok("its root is there".to_owned()),
            Ok(Err(error)) => Err(problems::provider(&error)),
            Err(_) => {
                Err(Problem::new(ErrorCode::TimedOut, format!("no answer within {} s", PROVIDER_TIMEOUT.as_secs())))
            }
        };
        finding("provider", Some(&name), answered)
    }

    async fn sync_finding(self: &Arc<Self>) -> Finding {
        let (vault, name) = (Arc::clone(self), self.name());
        if let Some(problem) = self.trouble.problem() {
            return finding("sync", Some(&name), Err(problem));
        }
        let status = blocking(move || vault.engine.status().map_err(|error| problems::of(ErrorCode::Io, &error))).await;
        let told = status.and_then(|status| match self.vault_problem(&status) {
            Some(problem) => Err(problem),
            None => Ok(format!("{}, {} to sync", words::state(status.state).as_str(), status.pending)),
        });
        finding("sync", Some(&name), told)
    }
}

impl OpenVault {
    async fn aside_finding(self: &Arc<Self>) -> Finding {
        let vault = Arc::clone(self);
        let told = blocking(move || match vault.put_aside() {
            Some(problem) => Err(problem),
            None => Ok("nothing had to be put aside".to_owned()),
        });
        finding("damage", Some(&self.name()), told.await)
    }
}

fn fuse_finding() -> Finding {
    match crate::mount::missing_fuse() {
        Some(why) => finding("fuse", None, Err(Problem::new(ErrorCode::MountFailed, why))),
        None => finding("fuse", None, Ok("this machine can mount".to_owned())),
    }
}

pub(super) fn finding(check: &str, vault: Option<&str>, outcome: Result<String, Problem>) -> Finding {
    let (ok, detail, hint) = match outcome {
        Ok(detail) => (true, detail, None),
        Err(problem) => (false, problem.to_string(), problem.hint),
    };
    Finding { check: check.to_owned(), vault: vault.map(str::to_owned), ok, detail, hint, repaired: None }
}
