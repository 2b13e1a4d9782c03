//! Collections, projects and mixes made through the API: as the recorder makes them, with a name that no folder could have, too.

use std::sync::Arc;

use super::target::Located;
use crate::control::protocol::{ErrorCode, MakeMusic, MusicFolder, MusicKind, Problem};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::{Daemon, problems};
use crate::sys::process;
use crate::vaults::layout::music::{self, NewFolder};
use crate::vaults::layout::{FolderKind, LayoutKind};
use crate::vfs::Owner;

impl Daemon {
    pub(super) async fn make_music(self: &Arc<Self>, request: MakeMusic) -> Reply<MusicFolder> {
        let MakeMusic { target, kind } = request;
        let Located { vault, path } = self.locate(&target).await?;
        let now = self.clock.now();
        let layout = self.find(Some(&vault.id.to_string())).await?.vaultfs.layout;
        if layout != LayoutKind::Music {
            let name = vault.name();
            let what = format!("vault {name} has the layout {layout}, in which there are no {kind}s");
            return Err(Problem::new(ErrorCode::InvalidRequest, what)
                .hint(format!("`vaultfs vault set {name} layout music` makes it one of music")));
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name.is_empty() {
            return Err(Problem::new(ErrorCode::InvalidRequest, format!("say how the new {kind} is called")));
        }
        let (above, name) = (above.to_owned(), name.to_owned());
        let parent = Located { vault: Arc::clone(&vault), path: above.clone() }.row().await?;
        blocking(move || {
            let vfs = vault.vfs();
            let failed = |error| problems::file(format!("cannot make the {kind} `{path}`"), &error);
            let place = vfs.folder_kind(&parent).map_err(failed)?;
            if !may_hold(place, kind) {
                let shown = if above.is_empty() { "the vault itself" } else { &above };
                return Err(Problem::new(ErrorCode::InvalidRequest, format!("no {kind} can be made in {shown}")).hint(
                    "mixes are made in projects, projects in collections, collections in the vault or in another one",
                ));
            }
            let new = new_folder(kind, &name, now);
            let owner = Owner { uid: process::effective_uid(), gid: process::effective_gid(), mode: 0o755 };
            vfs.make_furnished(parent.ino, &new, owner).map_err(failed)?;
            vfs.name_changed(parent.ino, &new.name);
            let folder = new.name.as_str();
            let path = if above.is_empty() { folder.to_owned() } else { format!("{above}/{folder}") };
            Ok(MusicFolder { vault: vault.name(), kind, name, path })
        })
        .await
    }
}

fn new_folder(kind: MusicKind, name: &str, now: crate::types::Timestamp) -> NewFolder {
    match kind {
        MusicKind::Collection => music::new_collection(name, now),
        MusicKind::Project => music::new_project(name, now),
        MusicKind::Mix => music::new_mix(name, now),
    }
}

fn may_hold(place: FolderKind, kind: MusicKind) -> bool {
    match kind {
        MusicKind::Collection => matches!(place, FolderKind::Root | FolderKind::Collection),
        MusicKind::Project => place == FolderKind::Collection,
        MusicKind::Mix => place == FolderKind::Project,
    }
}
