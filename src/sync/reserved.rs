//! Names that vaultfs keeps for itself at the provider. Nothing under such a name is ever shown in a mount.

use super::plan::is_aside;
use crate::types::EntryName;

/// Every reserved name starts like this.
const PREFIX: &str = ".vaultfs-";

/// True for a name that vaultfs keeps for itself and that is not a node on its way between two names: ignored in listings.
pub(crate) fn is_ignored(name: &EntryName) -> bool {
    name.as_str().starts_with(PREFIX) && !is_aside(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_ignored_unless_something_is_on_its_way() {
        let is_ignored = |text: &str| is_ignored(&EntryName::new(text).unwrap());
        assert!(is_ignored(".vaultfs-tmp1"));
        assert!(!is_ignored("mix.json"));
        assert!(!super::is_ignored(&super::super::plan::aside_name(crate::types::NodeId(7))));
    }
}
