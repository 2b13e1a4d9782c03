//! The command line of `mount.vaultfs`, as mount(8) writes it: `SOURCE FOLDER [-sfnv] [-t TYPE] [-o OPTIONS]`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What our mounts show as their source before the vault's name; may also stand before the name in fstab.
pub const SOURCE_PREFIX: &str = "vaultfs:";

/// Options that ask for what is so anyway, or that concern mount(8), fstab or systemd only.
const HARMLESS: &str = "_netdev async auto defaults exec group noatime noauto nodev nodiratime nofail nogroup noowner nosuid \
                        nouser nousers owner relatime rw silent user users";

/// Options that imply `noexec` in fstab.
const OF_USERS: &[&str] = &["group", "owner", "user", "users"];

/// Beginnings of options that concern others only.
const HARMLESS_PREFIXES: &[&str] = &["comment=", "user=", "x-"];

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arguments {
    /// Name or id of the vault.
    pub vault: String,
    /// Where.
    pub folder: PathBuf,
    /// Whose vault it is, by name or number.
    pub owner: Option<String>,
    /// Check, and do nothing.
    pub fake: bool,
}

impl Arguments {
    /// Reads what follows the program's name, or says what is wrong with it.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let (Some(source), Some(folder)) = (arguments.next(), arguments.next()) else {
            return Err("usage: mount.vaultfs VAULT FOLDER [-sfnv] [-o OPTIONS]".to_owned());
        };
        let vault = printable(&source)?;
        let vault = vault.strip_prefix(SOURCE_PREFIX).unwrap_or(vault);
        if vault.is_empty() || vault.starts_with('-') {
            return Err(format!("{source:?} is not the name of a vault"));
        }
        printable(&folder)?;
        let folder = PathBuf::from(folder);
        if !folder.is_absolute() {
            return Err(format!("{folder:?} is not an absolute path"));
        }
        let mut parsed = Self { vault: vault.to_owned(), folder, owner: None, fake: false };
        let (mut sloppy, mut options) = (false, Vec::new());
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{flag:?} needs a value"));
            match flag.as_bytes() {
                b"-s" => sloppy = true,
                b"-f" => parsed.fake = true,
                b"-n" | b"-v" => {} // there is no mtab, and nothing more to say
                b"-o" => options.push(printable(&value()?)?.to_owned()),
                b"-t" => match value()?.as_bytes() {
                    b"vaultfs" | b"fuse.vaultfs" => {}
                    _ => return Err("the only type is vaultfs".to_owned()),
                },
                _ => return Err(format!("{flag:?} is not a flag of mount.vaultfs")),
            }
        }
        let options: Vec<&str> =
            options.iter().flat_map(|part| part.split(',')).filter(|word| !word.is_empty()).collect();
        for option in &options {
            parsed.take(option, &options, sloppy)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, option: &str, all: &[&str], sloppy: bool) -> Result<(), String> {
        match option {
            "noexec" if all.iter().any(|other| OF_USERS.contains(other) || other.starts_with("user=")) => {}
            "ro" | "allow_other" if !sloppy => {
                return Err(format!(
                    "{option} is not for fstab: set it in vaults.json, as part of `mount` of the vault"
                ));
            }
            _ if HARMLESS.split(' ').any(|harmless| harmless == option)
                || HARMLESS_PREFIXES.iter().any(|prefix| option.starts_with(prefix)) => {}
            _ => match option.split_once('=') {
                Some(("uid", owner)) if !owner.is_empty() => self.owner = Some(owner.to_owned()),
                _ if sloppy => {}
                _ => {
                    return Err(format!("mount.vaultfs has no option {option:?}; it has uid=USER and those of fstab"));
                }
            },
        }
        Ok(())
    }
}

/// The same as text, if it is text of one line.
fn printable(word: &OsStr) -> Result<&str, String> {
    let text = word.to_str().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| format!("{word:?} is not text of one line"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;

    fn parse(line: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(line.iter().map(OsString::from))
    }

    #[test]
    fn what_mount_writes_is_understood() {
        let options = "rw,noexec,nosuid,nodev,_netdev,nofail,user=ann,relatime,x-systemd.automount,uid=ann";
        let parsed = parse(&["My Vault", "/mnt/my vault", "-s", "-n", "-v", "-o", options]).unwrap();
        let expected = Arguments {
            vault: "My Vault".into(),
            folder: "/mnt/my vault".into(),
            owner: Some("ann".into()),
            fake: false,
        };
        assert_eq!(parsed, expected);
        assert_eq!(parse(&["vaultfs:Work", "/w", "-t", "vaultfs"]).unwrap().vault, "Work");
        assert!(parse(&["Work", "/w", "-f"]).unwrap().fake);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, word) in [
            (&[][..], "usage"),
            (&["Work"], "usage"),
            (&["-h", "/w"], "-h"),
            (&["vaultfs:", "/w"], "vaultfs:"),
            (&["Work", "w"], "absolute"),
            (&["Wo\nrk", "/w"], "one line"),
            (&["Work", "/w\0"], "one line"),
            (&["Work", "/w", "-o"], "value"),
            (&["Work", "/w", "-o", "suid"], "suid"),
            (&["Work", "/w", "-o", "rw,fd=3"], "fd=3"),
            (&["Work", "/w", "-o", "uid="], "uid="),
            (&["Work", "/w", "-o", "noexec"], "noexec"),
            (&["Work", "/w", "-o", "allow_other"], "vaults.json"),
            (&["Work", "/w", "-o", "ro"], "vaults.json"),
            (&["Work", "/w", "-u"], "-u"),
            (&["Work", "/w", "-N", "/proc/1/ns/mnt"], "-N"),
            (&["Work", "/w", "-t", "vaultfs.x"], "type"),
            (&["Work", "/w", "/x"], "/x"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(word), "{line:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert!(parse(&["Work", "/w", "-s", "-o", "suid,fd=3,allow_other"]).is_ok(), "sloppy");
    }

    proptest! {
        /// No words make it read a vault or a folder that is not there, or say more than one line.
        #[test]
        fn any_words_are_read_or_refused_in_one_line(
            words in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(1_u8.., 0..12).prop_map(OsString::from_vec),
                    prop::sample::select(vec!["-o", "-s", "-f", "-t", "vaultfs", "/m", "uid=1,rw", "A"]).prop_map(OsString::from),
                ],
                0..8,
            ),
        ) {
            match Arguments::parse(words.clone()) {
                Ok(parsed) => {
                    prop_assert!(parsed.folder.is_absolute() && parsed.folder.as_os_str() == words[1]);
                    prop_assert!(!parsed.vault.is_empty() && words[0].to_str().unwrap().ends_with(&parsed.vault));
                }
                Err(line) => prop_assert!(!line.is_empty() && !line.contains(char::is_control)),
            }
        }
    }
}
