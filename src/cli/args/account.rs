//! Flags of the commands about accounts.

use clap::{Args, Subcommand, ValueEnum};

/// `connect`
#[derive(Args, Debug)]
pub struct ConnectArgs {
    /// Where to sign in
    #[arg(value_enum)]
    pub provider: CloudArg,
    /// Another server that speaks this provider's API, such as a gateway or a test server; https, or http on this machine
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Key of the app to sign in to (else the setting dropbox.app_key)
    #[arg(long, value_name = "KEY")]
    pub app_key: Option<String>,
    /// Do not open a browser here: print an address for a browser anywhere, and read the code that its page shows
    #[arg(long, conflicts_with = "redirect")]
    pub no_browser: bool,
    /// How the browser brings its answer back
    #[arg(long, value_enum, default_value = "loopback")]
    pub redirect: RedirectArg,
}

/// Clouds that people sign in to.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloudArg {
    /// Dropbox
    Dropbox,
}

/// How the browser brings its answer back.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum RedirectArg {
    /// To a port of 127.0.0.1
    Loopback,
    /// By the address scheme com.krondor.muze, which is registered with the desktop for vaultfs if it is not yet
    Scheme,
}

/// An account.
#[derive(Args, Clone, Debug, Default)]
pub struct AccountArg {
    /// Id, address or provider (not needed if there is only one)
    #[arg(value_name = "ACCOUNT")]
    pub account: Option<String>,
}

/// `account …`
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    /// List accounts (the default)
    List,
    /// Show one account
    Show(AccountArg),
}
