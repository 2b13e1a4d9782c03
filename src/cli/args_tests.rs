//! The fixed forms of the command line parse, and nothing else does.

use clap::CommandFactory;

use super::*;

#[test]
fn the_flag_table_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_fixed_forms_parse() {
    for form in [
        "vault add Work --provider local --path /srv/work",
        "vault add Songs --provider local --path /srv/songs --layout music",
        "vault add Far --provider local --path /srv/far --link-latency 40 --link-rate 8MiB",
        "vault list --json",
        "vault show Work",
        "vault rename Work Office",
        "vault remove Work",
        "vault default Work",
        "vault switch Work",
        "vault switch",
        "vault set Work layout music",
        "vault set Work mount.read_only true",
        "vault unset Work mount.path",
        "new collection Tour --vault Songs",
        "new project mnt/Tour/Opener",
        "new mix mnt/Tour/Opener/Take --json",
        "mount Work /mnt/work",
        "mount Work /mnt/work --foreground",
        "mount --all /mnt",
        "unmount /mnt/work",
        "unmount /mnt/work --wait",
        "daemon run",
        "daemon status",
        "daemon stop",
        "status",
        "status --short",
        "status a/b --vault Work --json",
        "queue",
        "queue list",
        "queue pause",
        "queue resume --json",
        "queue retry",
        "queue hold a",
        "queue release a",
        "queue discard a --yes",
        "sync now",
        "sync --full",
        "sync now --dry-run",
        "pin a",
        "unpin a",
        "evict a",
        "wait a --timeout 30",
        "history",
        "history list",
        "history restore 3 --vault Work",
        "history export out",
        "cases --vault Office",
        "conflicts",
        "conflicts list",
        "conflicts export out",
        "rules why .DS_Store",
        "doctor",
        "config show",
        "config set cache.max_bytes 1GiB",
        "config set bandwidth.up 1MiB/s --vault Work",
        "config unset cache.max_bytes",
        "offline",
        "online Work",
        "completions bash",
        "man out",
        "--device-name studio status",
    ] {
        let words = std::iter::once("vaultfs").chain(form.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("`vaultfs {form}` is refused: {error}");
        }
    }
}

#[test]
fn mount_takes_a_name_and_a_folder_or_all_and_a_folder() {
    let parse = |words: &[&str]| match Cli::try_parse_from(words).map(|cli| cli.command) {
        Ok(Command::Mount(mount)) => Some((mount.name, mount.dir)),
        _ => None,
    };
    assert_eq!(parse(&["vaultfs", "mount", "W", "/d"]), Some((Some("W".to_owned()), PathBuf::from("/d"))));
    assert_eq!(parse(&["vaultfs", "mount", "--all", "/d"]), Some((None, PathBuf::from("/d"))));
    assert_eq!(parse(&["vaultfs", "mount", "--all", "W", "/d"]), None);
}
