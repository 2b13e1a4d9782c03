//! Why a name or path takes part in syncing, or does not: the rule or the part of the filter that says so.

use std::sync::Arc;

use crate::control::protocol::{ErrorCode, Problem, RuleVerdict, RulesQuery, Target};
use crate::control::service::Reply;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::rules::{Chosen, Selection, Verdict};
use crate::types::{EntryName, NodeKind};

impl Daemon {
    pub(super) async fn explain_name(self: &Arc<Self>, query: RulesQuery) -> Reply<RuleVerdict> {
        let last = query.name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let name = EntryName::new(last).map_err(|error| problems::of(ErrorCode::InvalidRequest, &error))?;
        let has_vaults = !self.find_all(None).await?.is_empty();
        if !has_vaults && query.vault.is_none() {
            return Ok(explain(&Selection::default(), &query.name, &name, &query.name, NodeKind::File));
        }
        let target = Target { vault: query.vault.clone(), path: Some(query.name.clone()) };
        let (vault, path) = match self.locate(&target).await {
            Ok(place) => (place.vault, place.path),
            // A file outside of every mount: what if it were in the vault?
            Err(problem) if problem.code == ErrorCode::OutsideVault && query.name.starts_with('/') => {
                (self.open(&self.find(query.vault.as_deref()).await?).await?, last.to_owned())
            }
            Err(problem) => return Err(problem),
        };
        let there = vault.there(&path)?;
        let kind = if query.name.ends_with('/') { NodeKind::Folder } else { there.kind };
        let verdict = explain(&vault.selection.current(), &query.name, &name, &path, kind);
        if verdict.local_only && there.is_shared {
            let why = format!("it was synced before there was this rule: {}", verdict.why);
            return Ok(RuleVerdict { local_only: false, why, ..verdict });
        }
        Ok(verdict)
    }
}

/// What is at a path.
struct There {
    kind: NodeKind,
    /// The provider knows it, and it did not get its name or place here since.
    is_shared: bool,
}

impl OpenVault {
    /// What is at a path, here or at the provider; a file of no interest if nothing is.
    fn there(&self, path: &str) -> Result<There, Problem> {
        let found = self.catalog.read(|view| {
            if let Some(row) = view.local_at_path(path)? {
                let is_known = view.remote(row.node)?.is_some() || view.synced(row.node)?.is_some();
                return Ok(There { kind: row.kind, is_shared: is_known && !row.local_only });
            }
            let remote = view.remote_at_path(path)?;
            Ok(There { kind: remote.map_or(NodeKind::File, |row| row.kind()), is_shared: false })
        });
        found.map_err(|error| problems::catalog(&self.name(), &error))
    }
}

/// Names come first: such a file stays here wherever it is.
fn explain(selection: &Selection, asked: &str, name: &EntryName, path: &str, kind: NodeKind) -> RuleVerdict {
    let answer = |local_only, left_out, why: String| RuleVerdict {
        name: asked.to_owned(),
        local_only,
        left_out,
        pack: None,
        pattern: None,
        why,
    };
    let verdict = selection.rules.verdict(name);
    if let Verdict::LocalOnly(rule) = verdict {
        return RuleVerdict {
            pack: Some(rule.pack.to_owned()),
            pattern: Some(rule.pattern.as_str().to_owned()),
            ..answer(true, false, rule.reason.to_owned())
        };
    }
    let chosen = selection.filter.verdict(path, kind);
    match (chosen, verdict) {
        (Chosen::Excluded(pattern), _) => {
            RuleVerdict { pattern: Some(pattern.to_owned()), ..answer(false, true, chosen.to_string()) }
        }
        (Chosen::NotIncluded | Chosen::NoDocument | Chosen::OutsideOfChosenFolders, _) => {
            answer(false, true, chosen.to_string())
        }
        (Chosen::Yes, Verdict::Excepted { exception, rule }) => RuleVerdict {
            pack: Some(rule.pack.to_owned()),
            pattern: Some(exception.as_str().to_owned()),
            ..answer(false, false, format!("your settings except it from {}", rule.pattern.as_str()))
        },
        (Chosen::Yes, Verdict::LocalOnly(_) | Verdict::Syncs) => {
            answer(false, false, "no rule and no filter says otherwise".to_owned())
        }
    }
}
