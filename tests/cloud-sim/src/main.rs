//! `cloud-sim`: a simulated cloud on a local port.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cloud_sim::dropbox::{Consent, DropboxSim, Options};
use tokio::signal::unix::{SignalKind, signal};

/// Simulates a cloud storage service on a local port.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    service: Service,
}

#[derive(Subcommand)]
enum Service {
    /// The Dropbox API v2; api, content, notify and sign-in share one port. The application's key is `testkey`.
    Dropbox(Dropbox),
}

#[derive(clap::Args)]
struct Dropbox {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve HTTPS; the authority to trust is written to ca.pem in the data folder, and its place told
    #[arg(long)]
    tls: bool,
    /// Folder for contents and ca.pem; without it one that is there for as long as the program runs
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// An access token with every scope
    #[arg(long, value_name = "TOKEN", default_value = "sl.stub-full")]
    token: String,
    /// Let `/oauth2/authorize` approve at once, without a person
    #[arg(long)]
    auto_approve: bool,
    /// Seed of everything that is drawn by chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Faults by chance: [ROUTE:]FAULT[(NUMBER)]=PROBABILITY, separated by commas
    #[arg(long, value_name = "SPEC")]
    faults: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { service: Service::Dropbox(options) } = Cli::parse();
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Dropbox) -> Result<(), Box<dyn std::error::Error>> {
    // Before anything is told: whoever starts this may end it at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let (data, _own) = match arguments.data {
        Some(data) => (data, None),
        None => {
            let own = tempfile::Builder::new().prefix("cloud-sim-").tempdir()?;
            (own.path().to_path_buf(), Some(own))
        }
    };
    std::fs::create_dir_all(&data)?;
    let options = Options {
        listen: arguments.listen,
        tls: arguments.tls,
        data: Some(data.clone()),
        token: arguments.token,
        seed: arguments.seed,
    };
    let sim = DropboxSim::start(options)?;
    if arguments.auto_approve {
        sim.oauth().set_consent(Consent::Approve);
    }
    if let Some(faults) = &arguments.faults {
        sim.faults().add_spec(faults)?;
    }
    let authority = match sim.certificate() {
        Some(certificate) => {
            let path = data.join("ca.pem");
            std::fs::write(&path, certificate)?;
            Some(path)
        }
        None => None,
    };
    say(&format!("listening on {}", sim.base_url()));
    if let Some(authority) = authority {
        say(&format!("trust {}", authority.display()));
    }
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what whoever started it waits for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "why it did not start")]
fn complain(error: &str) {
    eprintln!("error: {error}");
}
