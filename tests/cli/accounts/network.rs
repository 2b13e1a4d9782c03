//! The network as it is in offices: the service's own hosts over TLS, behind a proxy, in HTTP/2; and a certificate that nobody trusts.

use std::collections::BTreeSet;
use std::process::Command;

use cloud_sim::dropbox::{APP_KEY, Consent, DropboxSim, Options};

use super::person;
use crate::harness::{Device, Said, eventually};
use crate::proxy::Proxy;

/// A service with a certificate, and a device that trusts its authority or not.
fn world(is_trusted: bool) -> (DropboxSim, Device) {
    let sim = DropboxSim::start(Options { tls: true, ..Options::default() }).unwrap();
    sim.oauth().set_consent(Consent::Approve);
    let mut device = Device::new();
    device.set("VAULTFS_DROPBOX_APP_KEY", APP_KEY);
    device.set("VAULTFS_DROPBOX_REDIRECT_PORTS", "0");
    let authority = device.path("ca.pem");
    std::fs::write(&authority, sim.certificate().unwrap()).unwrap();
    if is_trusted {
        device.set("SSL_CERT_FILE", authority);
    }
    (sim, device)
}

/// Signs in by code; the page with it is fetched as a browser with the same settings would.
fn connect(device: &Device, command: &str, proxy: Option<&Proxy>) -> Said {
    person::by_code(device, command, |address| {
        let mut browser = Command::new("curl");
        browser.args(["--silent", "--show-error", "--fail", "--location", "--cacert"]).arg(device.path("ca.pem"));
        match proxy {
            Some(proxy) => browser.args(["--proxy", proxy.address()]),
            None => browser.args(["--noproxy", "*"]),
        };
        let page = browser.arg(address).output().expect("curl is needed");
        assert!(page.status.success(), "{page:?}");
        let page = String::from_utf8(page.stdout).unwrap();
        let (_, rest) = page.split_once("id=\"code\">").unwrap_or_else(|| panic!("{page}"));
        rest.split('<').next().unwrap().to_owned()
    })
}

/// A file goes there, and another one comes.
fn travels(sim: &DropboxSim, device: &Device) {
    device.ok("vault add Songs --provider dropbox --folder /Songs --layout plain");
    device.folder("mnt");
    device.ok("mount Songs @/mnt");
    std::fs::write(device.path("mnt/take.txt"), "one").unwrap();
    device.ok("wait --timeout 30 @/mnt/take.txt");
    let web = sim.first_account().web();
    assert_eq!(web.read("/Songs/take.txt").unwrap(), b"one");
    web.write("/Songs/remote.txt", b"from the web").unwrap();
    let here = device.path("mnt/remote.txt");
    eventually("the remote file is here", || std::fs::read(&here).is_ok_and(|bytes| bytes == b"from the web"));
}

fn protocols(sim: &DropboxSim) -> BTreeSet<String> {
    let calls = sim.log().entries().into_iter().filter(|record| record.route().starts_with("files/"));
    calls.map(|record| record.protocol().to_owned()).collect()
}

#[test]
fn the_services_own_hosts_over_tls_through_a_proxy_in_http_2() {
    let (sim, mut device) = world(true);
    let proxy = Proxy::start(sim.address());
    device.set("HTTPS_PROXY", proxy.address());
    let said = connect(&device, "connect dropbox", Some(&proxy));
    assert_eq!(said.code, 0, "{said:#?}");
    travels(&sim, &device);
    let hosts = proxy.hosts();
    for host in ["api", "content", "notify"] {
        let host = format!("{host}.dropboxapi.com:443");
        assert!(hosts.contains(&host), "{host}: {hosts:?}");
    }
    assert_eq!(protocols(&sim), BTreeSet::from(["h2".to_owned()]));
    // Without the proxy there is no way.
    proxy.refuse();
    std::fs::write(device.path("mnt/later.txt"), "two").unwrap();
    eventually("the vault is offline", || device.json("status")["vaults"][0]["state"] == "offline");
    proxy.accept();
    eventually("it is sent", || sim.first_account().web().read("/Songs/later.txt").is_ok());
}

#[test]
fn a_server_of_ones_own_over_tls() {
    let (sim, mut device) = world(true);
    // What is on this machine is no matter for a proxy.
    device.set("HTTPS_PROXY", "http://127.0.0.1:1");
    let said = connect(&device, &format!("connect dropbox --base-url {}", sim.base_url()), None);
    assert_eq!(said.code, 0, "{said:#?}");
    travels(&sim, &device);
}

#[test]
fn a_certificate_that_nobody_trusts_is_named_and_gets_nothing() {
    let (sim, device) = world(false);
    let said = connect(&device, &format!("connect dropbox --base-url {}", sim.base_url()), None);
    assert_ne!(said.code, 0, "{said:#?}");
    assert!(said.err.contains("certificate"), "{said:#?}");
    assert_eq!(sim.log().count("oauth2/token"), 0);
}
