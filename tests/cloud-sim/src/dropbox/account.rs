//! Handles on accounts: who they are, their devices, and the website.

use std::sync::Arc;

use super::access::{Grant, all_scopes};
use super::model::world::{self, World};
use super::service::Dropbox;
use super::web::Web;

/// Space of an account unless it is set, in bytes: 3 TB.
const QUOTA: u64 = 3_298_534_883_328;

/// An account of the service.
#[derive(Clone)]
pub struct Account {
    pub(super) dropbox: Arc<Dropbox>,
    pub(super) id: Arc<str>,
}

/// Adds an account with an empty home.
pub(super) fn add(world: &mut World, name: &str) -> Arc<str> {
    let (given_name, surname) = name.split_once(' ').unwrap_or((name, "Example"));
    let home = world.new_namespace();
    let id = world.new_account_id();
    world.accounts.push(world::Account {
        id: id.clone(),
        given_name: given_name.to_owned(),
        surname: surname.to_owned(),
        email: format!("{}@example.com", name.to_lowercase().replace(' ', ".")),
        home,
        root: home,
        quota: QUOTA,
        disabled: false,
    });
    id
}

impl Account {
    /// `dbid:…`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The website, signed in as this account.
    pub fn web(&self) -> Web {
        Web { dropbox: self.dropbox.clone(), account: self.id.clone(), in_space: false }
    }

    /// A new access token for a device, with every scope and without an end.
    pub fn token(&self, device: &str) -> String {
        let token = format!("sl.{}", self.dropbox.world().token::<48>());
        self.declare_token(&token, device);
        token
    }

    /// Makes a text an access token for a device, with every scope and without an end.
    pub fn declare_token(&self, token: &str, device: &str) {
        let grant = Grant {
            app: super::APP_KEY.to_owned(),
            account: self.id.clone(),
            device: device.into(),
            sandbox: None,
            scopes: all_scopes(),
            revoked: false,
            needs_secret: false,
        };
        let mut access = self.dropbox.access();
        let grant = access.grant(grant);
        access.declare(token, grant, all_scopes(), None);
    }

    /// Takes all access away from all devices, as the website's list of connected apps does.
    pub fn unlink_all(&self) {
        self.unlink(|_| true);
    }

    /// Takes all access away from one device.
    pub fn unlink_device(&self, device: &str) {
        self.unlink(|grant| *grant.device == *device);
    }

    fn unlink(&self, which: impl Fn(&Grant) -> bool) {
        let mut access = self.dropbox.access();
        for grant in access.grants.iter_mut().filter(|grant| grant.account == self.id && which(grant)) {
            grant.revoked = true;
        }
    }

    /// How many bytes the account may hold.
    pub fn set_quota(&self, bytes: u64) {
        self.change(|account| account.quota = bytes);
    }

    /// Suspends the account, or ends that.
    pub fn set_suspended(&self, suspended: bool) {
        self.change(|account| account.disabled = suspended);
    }

    /// Bytes that it holds.
    pub fn used(&self) -> u64 {
        let world = self.dropbox.world();
        world.account(&self.id).map_or(0, |account| world.used(account.home))
    }

    fn change(&self, change: impl FnOnce(&mut world::Account)) {
        let mut world = self.dropbox.world();
        if let Some(account) = world.accounts.iter_mut().find(|account| account.id == self.id) {
            change(account);
        }
    }
}
