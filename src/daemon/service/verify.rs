//! `verify`: whether everything is as the manifest says. Progress and findings are told while it looks.

use std::sync::Arc;

use super::manifest::{Entry, Lines, line, lines};
use crate::control::protocol::{Problem, VerifiedVault, VerifyLine, VerifyMismatch, VerifyRequest};
use crate::control::service::{ByteStream, Reply};
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::sync::verify::{Depth, Mismatch};
use crate::types::NodeId;

/// A line of progress comes after so many entries.
const PROGRESS_ENTRIES: u64 = 500;

/// Why it ended early.
enum Ended {
    /// Nobody reads any more.
    ReaderLeft,
    Failed(Problem),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl Daemon {
    pub(super) async fn verify(self: &Arc<Self>, request: VerifyRequest) -> Reply<ByteStream> {
        let vaults = self.open_all(request.vault.as_deref()).await?;
        let depth = if request.deep { Depth::Bytes } else { Depth::Presence };
        let (lines, stream) = lines();
        tokio::spawn(async move {
            for vault in vaults {
                let mut teller = Teller { lines: &lines, done: VerifiedVault::of(&vault.name()) };
                match vault.verify(depth, &mut teller).await {
                    Ok(()) => {}
                    Err(Ended::ReaderLeft) => return,
                    Err(Ended::Failed(problem)) => teller.done.problem = Some(problem),
                }
                let done = VerifyLine::Vault(teller.done);
                if lines.send(line(&done)).await.is_err() {
                    return;
                }
            }
            // A reader that left just now wants no more.
            drop(lines.send(line(&VerifyLine::End)).await);
        });
        Ok(stream)
    }
}

/// Tells what was found, and adds it up.
struct Teller<'a> {
    lines: &'a Lines,
    done: VerifiedVault,
}

impl Teller<'_> {
    async fn mismatch(&mut self, path: String, what: String, healed: bool) -> Result<(), Ended> {
        self.done.mismatches += 1;
        self.done.healed += u64::from(healed);
        let vault = self.done.vault.clone();
        self.tell(&VerifyLine::Mismatch(VerifyMismatch { vault, path, what, healed })).await
    }

    async fn tell(&self, told: &VerifyLine) -> Result<(), Ended> {
        self.lines.send(line(told)).await.map_err(|_| Ended::ReaderLeft)
    }
}

impl OpenVault {
    async fn verify(self: &Arc<Self>, depth: Depth, teller: &mut Teller<'_>) -> Result<(), Ended> {
        let name = self.name();
        let vault = Arc::clone(self);
        let contradictions =
            blocking(move || vault.catalog.check().map_err(|error| problems::catalog(&vault.name(), &error)));
        for what in contradictions.await? {
            teller.mismatch(String::new(), what, false).await?;
        }
        for (path, node) in self.shown().await? {
            let looked = self.engine.verify_entry(node, depth).await;
            let looked = looked.map_err(|error| problems::sync(&name, &error))?;
            teller.done.entries += 1;
            teller.done.bytes += looked.bytes;
            if let Some((what, healed)) = looked.wrong {
                teller.mismatch(path, what, healed).await?;
            }
            if teller.done.entries.is_multiple_of(PROGRESS_ENTRIES) {
                teller.tell(&VerifyLine::Progress(teller.done.clone())).await?;
            }
        }
        let vault = Arc::clone(self);
        for (path, what) in blocking(move || vault.missing_versions()).await? {
            teller.mismatch(path, what, false).await?;
        }
        if depth == Depth::Bytes {
            match self.why_not_now()? {
                Some(problem) => teller.done.not_compared = Some(problem),
                None => {
                    let found = self.engine.verify_listing().await;
                    for Mismatch { path, what, healed } in found.map_err(|error| problems::sync(&name, &error))? {
                        teller.mismatch(path, what, healed).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Everything that the mount shows.
    async fn shown(self: &Arc<Self>) -> Result<Vec<(String, NodeId)>, Problem> {
        let vault = Arc::clone(self);
        blocking(move || {
            let mut shown = Vec::new();
            vault.each_entry(&mut |path, entry| {
                if let Entry::Local(row) = entry {
                    shown.push((path.to_owned(), row.node));
                }
                Ok(true)
            })?;
            Ok(shown)
        })
        .await
    }

    /// Kept versions whose bytes are not there, or not as many as there should be.
    fn missing_versions(&self) -> Result<Vec<(String, String)>, Problem> {
        let rows =
            self.catalog.read(|view| view.history(None)).map_err(|error| problems::catalog(&self.name(), &error))?;
        let wrong = rows.into_iter().filter_map(|row| {
            let length = self.content.open_kept(&row.file).ok().and_then(|file| Some(file.metadata().ok()?.len()));
            match length {
                Some(length) if length == row.size => None,
                Some(length) => Some((row.path, format!("kept version {} has {length} bytes of {}", row.id, row.size))),
                None => Some((row.path, format!("kept version {} is missing", row.id))),
            }
        });
        Ok(wrong.collect())
    }
}
