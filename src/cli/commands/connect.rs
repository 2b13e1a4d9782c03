//! `connect PROVIDER`, and `sign-in-redirect ADDRESS`, which the system runs when a browser follows an address of our scheme.

use std::io::{BufRead, IsTerminal, Read};

use crate::cli::args::{CloudArg, ConnectArgs, RedirectArg};
use crate::cli::browser;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::scheme;
use crate::control::client::Client;
use crate::control::protocol::{
    AccountInfo, BeginSignIn, Changed, ErrorCode, LONGEST_HOLD, Problem, SignInAttempt, SignInBegun, SignInCode,
    SignInProgress, SignInRedirect, SignInWay,
};

/// How often a person may paste something that is no code.
const PASTES: u32 = 3;

/// Longest line that is read as a code.
const MAX_LINE_BYTES: u64 = 16 * 1024;

pub(super) async fn run(context: &Context, arguments: ConnectArgs) -> Result {
    let daemon = context.daemon().await?;
    let mut way = match (arguments.no_browser, arguments.redirect) {
        (true, _) => SignInWay::Code,
        (false, RedirectArg::Loopback) => SignInWay::Loopback,
        (false, RedirectArg::Scheme) => SignInWay::Scheme,
    };
    if way != SignInWay::Code && !browser::is_possible(&context.environment) {
        context.output.note("no browser can be shown here: signing in by code, as with --no-browser");
        way = SignInWay::Code;
    }
    if way == SignInWay::Scheme {
        scheme::register(context)?;
    }
    let provider = match arguments.provider {
        CloudArg::Dropbox => "dropbox",
    };
    let request =
        BeginSignIn { provider: provider.to_owned(), base_url: arguments.base_url, app_key: arguments.app_key, way };
    let begun: SignInBegun = daemon.post("accounts/sign-in", &request).await?;
    let account = match way {
        SignInWay::Code => by_code(context, &daemon, &begun).await?,
        SignInWay::Loopback | SignInWay::Scheme => by_browser(context, &daemon, &begun).await?,
    };
    connected(context, &account)
}

/// What the system runs for `com.krondor.muze://oauth?…`.
pub(super) async fn redirect(context: &Context, address: String) -> Result {
    // A daemon that does not run waits for nothing.
    let daemon = context.running_daemon().await?;
    let account: AccountInfo = daemon.post("accounts/redirect", &SignInRedirect { address }).await?;
    connected(context, &account)
}

async fn by_browser(context: &Context, daemon: &Client, begun: &SignInBegun) -> Result<AccountInfo> {
    if browser::open(&context.environment, &begun.address) {
        context.output.note(format!(
            "finish signing in in the browser; if none opens, open this address:\n\n  {}\n",
            begun.address
        ));
    } else {
        context.output.note(format!("open this address in a browser on this machine:\n\n  {}\n", begun.address));
    }
    let spinner = context.output.spinner("waiting for the browser");
    let hold_ms = u64::try_from(LONGEST_HOLD.as_millis()).ok();
    let question = SignInAttempt { attempt: begun.attempt.clone(), hold_ms };
    let outcome = async {
        loop {
            let progress: SignInProgress = daemon.get("accounts/outcome", &question).await?;
            if let Some(account) = progress.account {
                return Ok(account);
            }
        }
    };
    let result = tokio::select! {
        result = outcome => result,
        _ = tokio::signal::ctrl_c() => {
            give_up(daemon, begun).await;
            Err(CliError::Quiet(130))
        }
    };
    spinner.finish_and_clear();
    result
}

async fn by_code(context: &Context, daemon: &Client, begun: &SignInBegun) -> Result<AccountInfo> {
    context.output.note(format!("open this address in a browser, on any device:\n\n  {}\n", begun.address));
    for _ in 0..PASTES {
        let Some(code) = read_code(context)? else { break };
        match daemon.post("accounts/code", &SignInCode { attempt: begun.attempt.clone(), code }).await {
            // Nothing was sent: the same sign-in waits for a better one.
            Err(problem) if problem.code == ErrorCode::InvalidRequest && std::io::stdin().is_terminal() => {
                context.output.problem(&problem);
            }
            Err(problem) => {
                give_up(daemon, begun).await;
                return Err(problem.into());
            }
            Ok(account) => return Ok(account),
        }
    }
    give_up(daemon, begun).await;
    Err(Problem::new(ErrorCode::NeedsUser, "no code was given")
        .hint("run the command again and paste the code that the page shows")
        .into())
}

/// The next line of standard input; `None` at its end.
fn read_code(context: &Context) -> Result<Option<String>> {
    if std::io::stdin().is_terminal() {
        context.output.prompt("paste the code here: ");
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().take(MAX_LINE_BYTES).read_line(&mut line);
    match read.map_err(|error| CliError::io("cannot read the code", &error))? {
        0 => Ok(None),
        _ => Ok(Some(line)),
    }
}

async fn give_up(daemon: &Client, begun: &SignInBegun) {
    let attempt = SignInAttempt { attempt: begun.attempt.clone(), hold_ms: None };
    let cancelled: std::result::Result<Changed, Problem> = daemon.post("accounts/cancel", &attempt).await;
    // It ends by itself, only later.
    drop(cancelled);
}

fn connected(context: &Context, account: &AccountInfo) -> Result {
    context.output.answer(account, |account| {
        context.output.note(format!("connected to {} as {}", account.provider, super::account::owner(account)));
        if account.weak_storage {
            context.output.note(super::account::WEAK_STORAGE);
        }
        if account.vaults.is_empty() {
            let add = format!("vaultfs vault add NAME --provider {}", account.provider);
            context.output.note(format!("next: `{add}` makes a vault of one of its folders"));
        }
        Ok(())
    })
}
