//! `account list|show`, `disconnect`, `test-connection`

use std::io::IsTerminal;

use crate::cli::args::{AccountArg, AccountCommand};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::control::protocol::{
    AccountFilter, AccountInfo, AccountList, AccountState, ConnectionReport, DisconnectReport, TestConnection,
    VaultFilter,
};

/// What people should know about the encrypted file.
pub(super) const WEAK_STORAGE: &str = "note: weak storage: the sign-in is kept in an encrypted file whose key lies on the same machine; \
    whoever can read your files can use it";

pub(super) async fn run(context: &Context, command: Option<AccountCommand>) -> Result {
    let daemon = context.daemon().await?;
    match command {
        None | Some(AccountCommand::List) => list(context, &daemon.get("accounts", &VaultFilter::default()).await?),
        Some(AccountCommand::Show(argument)) => show(context, &daemon.get("accounts/show", &filter(argument)).await?),
    }
}

pub(super) async fn disconnect(context: &Context, argument: AccountArg) -> Result {
    let daemon = context.daemon().await?;
    let report: DisconnectReport = daemon.post("accounts/disconnect", &filter(argument)).await?;
    context.output.answer(&report, |report| {
        let account = &report.account;
        context.output.note(format!("disconnected from {} as {}", account.provider, owner(account)));
        if !account.vaults.is_empty() {
            let vaults = account.vaults.join(", ");
            context.output.note(format!(
                "{vaults}: files and unsent changes stay; `vaultfs connect {}` goes on",
                account.provider
            ));
        }
        if let Some(problem) = &report.problem {
            context.output.problem(problem);
        }
        Ok(())
    })
}

pub(super) async fn test(context: &Context, argument: AccountArg) -> Result {
    let daemon = context.daemon().await?;
    let request = TestConnection { filter: filter(argument), may_ask: std::io::stderr().is_terminal() };
    let report: ConnectionReport = daemon.post("accounts/test", &request).await?;
    context.output.answer(&report, |report| {
        let rows: Vec<[String; 3]> = report
            .checks
            .iter()
            .map(|check| [check.check.clone(), if check.ok { "ok" } else { "FAILED" }.to_owned(), check.detail.clone()])
            .collect();
        context.output.table(["CHECK", "RESULT", "DETAIL"], &rows)?;
        for hint in report.checks.iter().filter(|check| !check.ok).filter_map(|check| check.hint.as_ref()) {
            context.output.note(format!("hint: {hint}"));
        }
        Ok(())
    })?;
    match (report.ok, report.account.state) {
        (true, _) => Ok(()),
        (false, AccountState::AuthRequired | AccountState::KeyStoreLocked) => Err(CliError::Quiet(4)),
        (false, AccountState::Connected | AccountState::Waiting) => Err(CliError::Quiet(1)),
    }
}

fn filter(argument: AccountArg) -> AccountFilter {
    AccountFilter { account: argument.account }
}

fn list(context: &Context, accounts: &AccountList) -> Result {
    context.output.answer(accounts, |list| {
        if list.accounts.is_empty() {
            context.output.note("no accounts yet; `vaultfs connect dropbox` signs in to one");
        }
        let rows: Vec<[String; 5]> = list.accounts.iter().map(row).collect();
        context.output.table(["ID", "ACCOUNT", "STATE", "KEPT IN", "VAULTS"], &rows)
    })
}

fn row(account: &AccountInfo) -> [String; 5] {
    let vaults = if account.vaults.is_empty() { "-".to_owned() } else { account.vaults.join(", ") };
    [
        account.id.clone(),
        owner(account).to_owned(),
        account.state.as_str().to_owned(),
        storage(account).to_owned(),
        vaults,
    ]
}

fn show(context: &Context, account: &AccountInfo) -> Result {
    context.output.answer(account, |account| {
        let mut lines = vec![
            ("id", account.id.clone()),
            ("provider", account.provider.clone()),
            ("account", owner(account).to_owned()),
            ("name", account.name.clone()),
            ("state", account.state.as_str().to_owned()),
            ("kept in", storage(account).to_owned()),
            ("connected at", account.connected_at.clone()),
            ("vaults", if account.vaults.is_empty() { "-".to_owned() } else { account.vaults.join(", ") }),
        ];
        lines.extend(account.base_url.clone().map(|url| ("server", url)));
        context.output.pairs(&lines)?;
        if let Some(problem) = &account.problem {
            context.output.problem(problem);
        }
        if account.weak_storage {
            context.output.note(WEAK_STORAGE);
        }
        Ok(())
    })
}

/// As people know it.
pub(super) fn owner(account: &AccountInfo) -> &str {
    if account.email.is_empty() { &account.id } else { &account.email }
}

fn storage(account: &AccountInfo) -> &str {
    if account.weak_storage { "weak storage" } else { "key store" }
}
