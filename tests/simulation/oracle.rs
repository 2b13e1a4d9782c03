//! What must be true once everything works again and nobody changes anything: reliability.md 4.4.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use unicode_normalization::UnicodeNormalization;
use vaultfs::catalog::{LocalContent, LocalRow};
use vaultfs::sync::VaultState;

use crate::world::World;

/// Longest virtual time until everything is idle.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);

impl World {
    /// Runs to idle; says what hangs if it does not come.
    pub(crate) async fn settle(&mut self, when: &str) {
        let mut waited = Duration::ZERO;
        for device in &self.devices {
            device.run().engine.hint();
        }
        loop {
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
            let states: Vec<_> = self.devices.iter().map(|device| device.run().engine.status().unwrap()).collect();
            let is_idle = |state| matches!(state, VaultState::Idle | VaultState::Conflict);
            if states.iter().all(|status| is_idle(status.state)) && self.is_same_everywhere() {
                return;
            }
            if waited.as_secs().is_multiple_of(600) {
                // What the feed does not tell (renames of case) is found by listing everything.
                for device in &self.devices {
                    device.run().engine.sync_now(true).await.unwrap();
                }
            }
            if waited >= PATIENCE {
                let queues: Vec<_> = self.devices.iter().map(|device| device.run().engine.queue()).collect();
                panic!(
                    "{when}: not idle after {waited:?}\n{states:#?}\n{queues:#?}\ncloud: {:?}\n{:?}",
                    self.cloud().tree().keys(),
                    self.devices
                        .iter()
                        .map(|device| device.rows().keys().cloned().collect::<Vec<_>>())
                        .collect::<Vec<_>>()
                );
            }
        }
    }

    /// Every device has heard of everything: a change that another device made last may not have been told yet.
    fn is_same_everywhere(&self) -> bool {
        let cloud: BTreeSet<String> = self.cloud().tree().keys().map(|path| path.nfc().collect()).collect();
        let versions = self.cloud().versions();
        let is_newest = |row: &LocalRow| match &row.content {
            LocalContent::Clean(version) => versions.contains(&(version.rid.clone(), version.revision.clone())),
            LocalContent::None | LocalContent::Symlink(_) => true,
            LocalContent::Staged { .. } => false,
        };
        self.devices.iter().all(|device| {
            let rows = device.rows();
            rows.keys().map(|path| path.nfc().collect::<String>()).collect::<BTreeSet<_>>() == cloud
                && rows.values().all(is_newest)
        })
    }

    /// The invariants at idle.
    pub(crate) async fn check(&mut self) {
        self.cloud().check();
        let truth: BTreeMap<String, Option<Vec<u8>>> =
            self.cloud().tree().into_iter().map(|(path, bytes)| (path.nfc().collect(), bytes)).collect();
        for path in truth.keys() {
            assert!(!path.contains(".vaultfs-"), "I10: {path} is left at the provider");
        }
        for (path, bytes) in truth.iter().filter_map(|(path, bytes)| Some((path, bytes.as_ref()?))) {
            assert!(self.written.contains(bytes), "I7: nobody wrote what is in {path}");
        }
        for device in &self.devices {
            // I4: byte-identical, read through the device.
            for (path, row) in device.rows() {
                let expected = &truth[&path.nfc().collect::<String>()];
                let found = device.open_and_read(&row).await;
                assert_eq!(found.is_some(), expected.is_some(), "I4: kind of {path} on {}", device.name);
                assert!(found == *expected, "I4: bytes of {path} on {}", device.name);
            }
            // I1, I3, I18.
            let findings = device.run().catalog.check().unwrap();
            assert_eq!(findings, Vec::<String>::new(), "I18: {}", device.name);
            let queue = device.run().engine.queue().unwrap();
            assert!(queue.is_empty(), "I3: {}: {queue:#?}", device.name);
            // I10: nothing is staged any more.
            let staged = device.run().content.staged_ids().unwrap();
            let rows = device.run().catalog.read(|view| view.all_staged()).unwrap();
            assert!(staged.is_empty() && rows.is_empty(), "I10: left on {}: {staged:?}, {rows:#?}", device.name);
        }
        self.nothing_is_lost(&truth);
        self.nothing_changed_by_itself();
        if self.scenario.serial || self.scenario.alone {
            let conflicts: Vec<_> = truth.keys().filter(|path| path.contains("(conflict")).collect();
            // A name that another device holds in another case is a conflict that needs no concurrency only where case matters here.
            assert!(conflicts.is_empty(), "I14: conflict copies without a concurrent change: {conflicts:?}");
        }
        self.nothing_moves().await;
    }

    /// I2: every content that was not given up by somebody who had it is still to be had somewhere.
    fn nothing_is_lost(&self, truth: &BTreeMap<String, Option<Vec<u8>>>) {
        let mut kept: BTreeSet<Vec<u8>> = truth.values().flatten().cloned().collect();
        kept.extend(self.cloud().trash.iter().cloned());
        for device in &self.devices {
            kept.extend(device.history());
        }
        for bytes in self.written.difference(&self.given_up) {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
            assert!(kept.contains(bytes), "I2: {head:?} ({} bytes) is lost", bytes.len());
        }
    }

    /// I15: a quiescent vault has no effects, and stays idle.
    async fn nothing_moves(&mut self) {
        let effects = |world: &Self| {
            let reads = world.devices.iter().map(|device| device.provider.reads.load(Ordering::Relaxed));
            (world.cloud().mutations, reads.sum::<u64>())
        };
        let before = effects(self);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(effects(self), before, "I15: a quiescent vault changes or fetches something");
        for device in &self.devices {
            let state = device.run().engine.status().unwrap().state;
            assert!(matches!(state, VaultState::Idle | VaultState::Conflict), "I15: {} is {state:?}", device.name);
        }
    }
}
