//! The consistency checker behind `doctor`: what the schema cannot express, and the schema itself once more, because a bug or a disk
//! may have got around it. Reads everything; in tests any finding is a failure.

use rusqlite::Connection;

use super::encode::{all, get_node, get_optional_node, value};
use super::totals::Totals;
use super::{Result, View};
use crate::types::{EntryName, NodeId};

/// Findings of one kind that are listed one by one; the rest is counted.
const MAX_LISTED: usize = 20;

/// One line per finding, none if all is well. `totals` belong to the state that `view` sees.
pub(super) fn check(view: &View<'_>, totals: Totals) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    check_pages(view.connection, &mut findings)?;
    for table in ["local", "remote", "synced"] {
        check_rooted(view.connection, table, &mut findings)?;
        check_keys(view, table, &mut findings)?;
    }
    for Rule { what, sql, mend: _ } in RULES {
        let culprits = all(view.connection, sql, &[], |row| get_node(row, 0))?;
        report(what, &culprits, &mut findings);
    }
    check_totals(view, totals, &mut findings)?;
    Ok(findings)
}

fn report(what: &str, culprits: &[NodeId], findings: &mut Vec<String>) {
    findings.extend(culprits.iter().take(MAX_LISTED).map(|culprit| format!("node {culprit}: {what}")));
    if culprits.len() > MAX_LISTED {
        findings.push(format!("and {} more: {what}", culprits.len() - MAX_LISTED));
    }
}

fn check_pages(connection: &Connection, findings: &mut Vec<String>) -> Result<()> {
    let damage = all(connection, "PRAGMA integrity_check(20)", &[], |row| Ok(row.get::<_, String>(0)?))?;
    findings.extend(damage.into_iter().filter(|line| line != "ok").map(|line| format!("database: {line}")));
    let orphans = all(connection, "PRAGMA foreign_key_check", &[], |row| {
        let (table, row_id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("database: row {} of {table} refers to a missing row of {parent}", row_id.unwrap_or_default()))
    })?;
    findings.extend(orphans.into_iter().take(MAX_LISTED));
    Ok(())
}

/// What is known of a row while the chains of parents are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Unknown,
    /// On the chain that is being followed.
    Current,
    Rooted,
    Lost,
}

/// Every chain of parents must end at the root; in S, which may have lost a folder before its entries, also where S ends. What does
/// not end goes in circles. Sorted arrays, because the daemon runs this with a million nodes in little memory.
fn check_rooted(connection: &Connection, table: &str, findings: &mut Vec<String>) -> Result<()> {
    let rows: Vec<(NodeId, Option<NodeId>)> =
        all(connection, &format!("SELECT node, parent FROM {table} ORDER BY node"), &[], |row| {
            Ok((get_node(row, 0)?, get_optional_node(row, 1)?))
        })?;
    let mut state = vec![Chain::Unknown; rows.len()];
    let mut chain = Vec::new();
    for start in 0..rows.len() {
        let mut current = start;
        let verdict = loop {
            match state[current] {
                Chain::Unknown => {}
                Chain::Current => break Chain::Lost,
                known @ (Chain::Rooted | Chain::Lost) => break known,
            }
            state[current] = Chain::Current;
            chain.push(current);
            let Some(parent) = rows[current].1 else { break Chain::Rooted };
            match rows.binary_search_by_key(&parent, |row| row.0) {
                Ok(index) => current = index,
                Err(_) => break if table == "synced" { Chain::Rooted } else { Chain::Lost },
            }
        };
        for index in chain.drain(..) {
            state[index] = verdict;
        }
    }
    let lost = rows.iter().zip(&state).filter(|(_, state)| **state == Chain::Lost).map(|(row, _)| row.0);
    report(&format!("not below the root of the {table} tree"), &lost.collect::<Vec<_>>(), findings);
    Ok(())
}

fn check_keys(view: &View<'_>, table: &str, findings: &mut Vec<String>) -> Result<()> {
    let mut culprits = Vec::new();
    let stored_key = if table == "local" { "coalesce(key, name)" } else { "key" };
    let rows = format!("SELECT node, name, {stored_key} FROM {table} WHERE parent IS NOT NULL");
    all(view.connection, &rows, &[], |row| {
        let (name, key): (String, String) = (row.get(1)?, row.get(2)?);
        if EntryName::new(name).map_or(true, |name| view.rules.key(&name).0 != key) {
            culprits.push(get_node(row, 0)?);
        }
        Ok(())
    })?;
    report(
        &format!("its key in the {table} tree does not follow from its name by the rules of the vault"),
        &culprits,
        findings,
    );
    Ok(())
}

fn check_totals(view: &View<'_>, totals: Totals, findings: &mut Vec<String>) -> Result<()> {
    let counted = Totals::count(view.connection)?;
    if totals != counted {
        findings.push(format!("the totals are {totals:?}, the rows say {counted:?}"));
    }
    let roots: i64 = value(view.connection, "SELECT count(*) FROM local WHERE parent IS NULL", &[])?;
    if roots != 1 {
        findings.push(format!("the local tree has {roots} roots"));
    }
    Ok(())
}

/// Same content as far as two trees can tell: the same revision, or the same hash.
macro_rules! same_version {
    ($a_revision:literal, $a_hash:literal, $b_revision:literal, $b_hash:literal) => {
        concat!("(", $a_revision, " IS ", $b_revision, " OR coalesce(", $a_hash, " = ", $b_hash, ", 0))")
    };
}

/// What no row may break.
pub(super) struct Rule {
    /// For people.
    pub(super) what: &'static str,
    /// Selects the nodes that break it.
    pub(super) sql: &'static str,
    /// What puts it right.
    pub(super) mend: Mend,
}

/// What puts a broken rule right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mend {
    /// Nothing that a program should do by itself.
    ByHand,
    /// The planner looks at the node again.
    LookAgain,
    /// S forgets the node before that: what is missing on one side must not count as deleted there.
    ForgetBase,
    /// The node's row of this table goes.
    Remove(&'static str),
}

/// The rules, in the order in which they are mended: what is no longer left out may have to be looked at.
pub(super) const RULES: &[Rule] = &[
    Rule {
        what: "it is left out, but shown or remembered as synced",
        sql: "SELECT node FROM left_out WHERE node IN (SELECT node FROM local) OR node IN (SELECT node FROM synced)",
        mend: Mend::Remove("left_out"),
    },
    Rule {
        what: "a row is set aside",
        sql: "SELECT node FROM local WHERE aside <> 0 UNION SELECT node FROM remote WHERE aside <> 0",
        mend: Mend::ByHand,
    },
    Rule {
        what: "its content names staged bytes that the catalog does not know",
        sql: "SELECT node FROM local WHERE staged IS NOT NULL AND staged NOT IN (SELECT id FROM staged)",
        mend: Mend::ByHand,
    },
    Rule {
        what: "its content names staged bytes of another node",
        sql: "SELECT local.node FROM local JOIN staged ON staged.id = local.staged WHERE staged.node <> local.node",
        mend: Mend::ByHand,
    },
    Rule {
        what: "a row has another kind than its node",
        sql: "SELECT node.id FROM node LEFT JOIN local ON local.node = node.id LEFT JOIN remote ON remote.node = node.id \
         LEFT JOIN synced ON synced.node = node.id \
         WHERE local.kind <> node.kind OR remote.kind <> node.kind OR synced.kind <> node.kind",
        mend: Mend::ByHand,
    },
    Rule {
        what: "its parent is not a folder",
        sql: "SELECT local.node FROM local JOIN node ON node.id = local.parent WHERE node.kind <> 1 \
         UNION SELECT remote.node FROM remote JOIN node ON node.id = remote.parent WHERE node.kind <> 1 \
         UNION SELECT synced.node FROM synced JOIN node ON node.id = synced.parent WHERE node.kind <> 1",
        mend: Mend::ByHand,
    },
    Rule {
        what: "it is in the local tree only and not dirty",
        sql: "SELECT node FROM local WHERE local_only = 0 AND parent IS NOT NULL AND node NOT IN (SELECT node FROM remote) \
         AND node NOT IN (SELECT node FROM dirty)",
        mend: Mend::LookAgain,
    },
    Rule {
        what: "it never leaves this machine, but the provider has it, and it is not dirty",
        sql: "SELECT node FROM local WHERE local_only = 1 AND node NOT IN (SELECT node FROM dirty) \
         AND (node IN (SELECT node FROM remote) OR node IN (SELECT node FROM synced))",
        mend: Mend::LookAgain,
    },
    Rule {
        what: "the provider has it, the local or the synced tree has not, and it is neither dirty nor left out",
        sql: "SELECT node FROM remote WHERE parent IS NOT NULL AND node NOT IN (SELECT node FROM dirty) \
         AND node NOT IN (SELECT node FROM arriving) AND node NOT IN (SELECT node FROM left_out) \
         AND (node NOT IN (SELECT node FROM local) OR node NOT IN (SELECT node FROM synced))",
        mend: Mend::ForgetBase,
    },
    Rule {
        what: "the synced tree has it, the provider has not, and it is not dirty",
        sql: "SELECT node FROM synced WHERE parent IS NOT NULL AND node NOT IN (SELECT node FROM remote) \
         AND node NOT IN (SELECT node FROM dirty)",
        mend: Mend::ForgetBase,
    },
    Rule {
        what: "its place differs between the trees and it is not dirty",
        sql: "SELECT local.node FROM local JOIN remote ON remote.node = local.node JOIN synced ON synced.node = local.node \
         WHERE local.parent IS NOT NULL AND local.node NOT IN (SELECT node FROM dirty) AND (local.parent <> remote.parent \
         OR local.parent <> synced.parent OR coalesce(local.key, local.name) <> remote.key OR remote.key <> synced.key)",
        mend: Mend::LookAgain,
    },
    Rule {
        what: "its content differs between the trees and it is not dirty",
        sql: concat!(
            "SELECT local.node FROM local JOIN remote ON remote.node = local.node JOIN synced ON synced.node = local.node ",
            "WHERE local.node NOT IN (SELECT node FROM dirty) AND (local.content = 3 OR remote.target IS NOT synced.target ",
            "OR local.target IS NOT remote.target OR NOT ",
            same_version!("remote.revision", "remote.hash", "synced.revision", "synced.hash"),
            " OR NOT ",
            same_version!("local.revision", "local.hash", "remote.revision", "remote.hash"),
            ")"
        ),
        mend: Mend::LookAgain,
    },
    Rule {
        what: "it counts as arriving, but the local or the synced tree has it",
        sql: "SELECT node FROM arriving WHERE node IN (SELECT node FROM local) OR node IN (SELECT node FROM synced) \
         OR node IN (SELECT node FROM dirty)",
        mend: Mend::LookAgain,
    },
    Rule {
        what: "it has extended attributes but no name",
        sql: "SELECT DISTINCT ino FROM xattr WHERE ino NOT IN (SELECT ino FROM local)",
        mend: Mend::ByHand,
    },
    Rule {
        what: "it is pinned but not in the local tree",
        sql: "SELECT node FROM pin WHERE node NOT IN (SELECT node FROM local)",
        mend: Mend::Remove("pin"),
    },
];
