//! What `doctor` looks for in a vault and can put right: an index that contradicts itself, cached files that belong to nothing, uploads that
//! hang, calls whose outcome was never recorded.

use std::sync::Arc;

use crate::control::protocol::{ErrorCode, Finding, Problem};
use crate::daemon::blocking::blocking;
use crate::daemon::problems;
use crate::daemon::vault::OpenVault;
use crate::sync::mend::Stuck;

/// Paths that are named in one finding.
const NAMED_PATHS: usize = 3;

/// What can be looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ailment {
    Index,
    Cache,
    Uploads,
    Calls,
}

impl Ailment {
    const ALL: [Self; 4] = [Self::Index, Self::Cache, Self::Uploads, Self::Calls];

    fn name(self) -> &'static str {
        match self {
            Self::Index => "catalog",
            Self::Cache => "cache",
            Self::Uploads => "uploads",
            Self::Calls => "calls",
        }
    }
}

impl OpenVault {
    /// One finding per ailment; with `mend` what was found is put right and looked at again.
    pub(super) async fn ailments(self: &Arc<Self>, mend: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for ailment in Ailment::ALL {
            findings.push(self.ailment(ailment, mend).await);
        }
        findings
    }

    async fn ailment(self: &Arc<Self>, ailment: Ailment, mend: bool) -> Finding {
        let name = self.name();
        let finding = |ok, detail: String, hint: Option<String>, repaired| Finding {
            check: ailment.name().to_owned(),
            vault: Some(name.clone()),
            ok,
            detail,
            hint,
            repaired,
        };
        let failed = |problem: Problem| finding(false, problem.to_string(), problem.hint.clone(), None);
        let trouble = match self.look_for(ailment).await {
            Ok(Ok(well)) => return finding(true, well, None, None),
            Ok(Err(trouble)) => trouble,
            Err(problem) => return failed(problem),
        };
        if !mend {
            let hint = format!("`vaultfs doctor --repair --vault {name}` puts that right; nothing is lost by it");
            return finding(false, trouble, Some(hint), None);
        }
        let done = match self.mend(ailment).await {
            Ok(done) => done,
            Err(problem) => return failed(problem),
        };
        match self.look_for(ailment).await {
            Ok(Ok(_)) => finding(true, trouble, None, Some(done)),
            Ok(Err(still)) => finding(false, still, Some("see the log of the daemon".to_owned()), None),
            Err(problem) => failed(problem),
        }
    }

    /// `Ok(Ok)`: all is well, in words. `Ok(Err)`: what is wrong.
    async fn look_for(self: &Arc<Self>, ailment: Ailment) -> Result<Result<String, String>, Problem> {
        let vault = Arc::clone(self);
        blocking(move || {
            let name = vault.name();
            let in_catalog = |error: &crate::catalog::CatalogError| problems::catalog(&name, error);
            let in_sync = |error: &crate::sync::SyncError| problems::sync(&name, error);
            Ok(match ailment {
                Ailment::Index => {
                    let lines = vault.catalog.check().map_err(|error| in_catalog(&error))?;
                    let entries = vault.catalog.read(|view| view.totals()).map_err(|error| in_catalog(&error))?.0;
                    if lines.is_empty() {
                        Ok(format!("{entries} entries, no contradiction"))
                    } else {
                        Err(lines.join("; "))
                    }
                }
                Ailment::Cache => {
                    let strays = vault.content.strays().map_err(|error| problems::content(&error))?;
                    let unused = vault.engine.unused_versions().map_err(|error| in_sync(&error))?;
                    if strays.is_empty() && unused.is_empty() {
                        Ok("every cached file belongs to a version".to_owned())
                    } else {
                        Err(format!(
                            "{} cached files belong to nothing, {} versions are used by nobody",
                            strays.len(),
                            unused.len()
                        ))
                    }
                }
                Ailment::Uploads => told(
                    &vault.engine.stuck_uploads().map_err(|error| in_sync(&error))?,
                    "no upload hangs",
                    "uploads hang",
                ),
                Ailment::Calls => told(
                    &vault.engine.open_calls().map_err(|error| in_sync(&error))?,
                    "the outcome of every call is known",
                    "calls have an outcome that was never recorded",
                ),
            })
        })
        .await
    }

    /// Says what was done.
    async fn mend(self: &Arc<Self>, ailment: Ailment) -> Result<String, Problem> {
        let vault = Arc::clone(self);
        let name = self.name();
        let failed = |error: &crate::sync::SyncError| problems::sync(&name, error);
        match ailment {
            Ailment::Index => {
                let mended =
                    blocking(move || vault.catalog.repair().map_err(|error| problems::catalog(&vault.name(), &error)));
                let mended = mended.await?;
                self.refuse_unless_syncing()?;
                self.engine.sync_now(true).await.map_err(|error| failed(&error))?;
                Ok(format!("{mended} rows were put right, and everything was listed again"))
            }
            Ailment::Cache => {
                blocking(move || {
                    let name = vault.name();
                    let unused = vault.engine.unused_versions().map_err(|error| problems::sync(&name, &error))?;
                    for version in &unused {
                        vault.content.set_pinned(version, false).map_err(|error| problems::content(&error))?;
                        vault.content.evict(version).map_err(|error| problems::content(&error))?;
                    }
                    let strays = vault.content.remove_strays().map_err(|error| problems::content(&error))?;
                    Ok(format!("{strays} files and {} versions were removed", unused.len()))
                })
                .await
            }
            Ailment::Uploads => {
                blocking(move || {
                    let name = vault.name();
                    let stuck = vault.engine.stuck_uploads().map_err(|error| problems::sync(&name, &error))?;
                    vault.engine.restart_uploads(&stuck).map_err(|error| problems::sync(&name, &error))?;
                    Ok(format!("{} uploads begin anew", stuck.len()))
                })
                .await
            }
            Ailment::Calls => {
                self.refuse_unless_syncing()?;
                self.engine.sync_now(false).await.map_err(|error| failed(&error))?;
                Ok("what became of them was looked up at the provider".to_owned())
            }
        }
    }

    fn refuse_unless_syncing(&self) -> Result<(), Problem> {
        match self.why_not_now()? {
            Some(problem) => Err(Problem::new(ErrorCode::NeedsUser, "the provider has to be asked, and may not be")
                .cause(problem.to_string())),
            None => Ok(()),
        }
    }
}

fn told(stuck: &[Stuck], well: &str, wrong: &str) -> Result<String, String> {
    if stuck.is_empty() {
        return Ok(well.to_owned());
    }
    let paths: Vec<&str> = stuck.iter().take(NAMED_PATHS).map(|stuck| stuck.path.as_str()).collect();
    let more = if stuck.len() > paths.len() { ", ..." } else { "" };
    Err(format!("{} {wrong}: {}{more}", stuck.len(), paths.join(", ")))
}
