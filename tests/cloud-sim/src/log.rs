//! The request log: every request with its route, who sent it, how many bytes went each way and what became of it.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

/// All requests since the start or the last [`Log::clear`]. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    records: Mutex<Vec<Arc<Record>>>,
    numbers: AtomicU64,
    changed: Arc<watch::Sender<u64>>,
}

impl Default for Log {
    fn default() -> Self {
        Self(Arc::new(Inner {
            records: Mutex::default(),
            numbers: AtomicU64::new(0),
            changed: Arc::new(watch::Sender::new(0)),
        }))
    }
}

/// One request. It fills while the request is served; numbers are final once [`Record::is_finished`].
#[derive(Debug)]
pub struct Record {
    number: u64,
    connection: u64,
    at: Timestamp,
    protocol: &'static str,
    method: String,
    route: String,
    account: OnceLock<String>,
    device: OnceLock<String>,
    argument: OnceLock<String>,
    fault: OnceLock<String>,
    status: AtomicU16,
    received: AtomicU64,
    sent: AtomicU64,
    finished: AtomicBool,
    changed: Arc<watch::Sender<u64>>,
}

impl Log {
    pub(crate) fn begin(
        &self,
        connection: u64,
        at: Timestamp,
        protocol: &'static str,
        method: &str,
        route: String,
    ) -> Arc<Record> {
        let record = Arc::new(Record {
            number: self.0.numbers.fetch_add(1, Ordering::Relaxed),
            connection,
            at,
            protocol,
            method: method.to_owned(),
            route,
            account: OnceLock::new(),
            device: OnceLock::new(),
            argument: OnceLock::new(),
            fault: OnceLock::new(),
            status: AtomicU16::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            finished: AtomicBool::new(false),
            changed: self.0.changed.clone(),
        });
        self.records().push(record.clone());
        record.notify();
        record
    }

    fn records(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Record>>> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests in the order in which they came.
    pub fn entries(&self) -> Vec<Arc<Record>> {
        self.records().clone()
    }

    /// Requests to this route, in order.
    pub fn of(&self, route: &str) -> Vec<Arc<Record>> {
        self.records().iter().filter(|record| record.route == route).cloned().collect()
    }

    /// How many requests went to this route.
    pub fn count(&self, route: &str) -> usize {
        self.of(route).len()
    }

    /// Body bytes received by this route.
    pub fn received(&self, route: &str) -> u64 {
        self.of(route).iter().map(|record| record.received()).sum()
    }

    /// Body bytes sent by this route.
    pub fn sent(&self, route: &str) -> u64 {
        self.of(route).iter().map(|record| record.sent()).sum()
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        self.records().clear();
    }

    /// Waits until the log fulfils a condition; looked at whenever a request begins or makes progress.
    pub async fn until(&self, fulfilled: impl Fn(&[Arc<Record>]) -> bool) {
        let mut changed = self.0.changed.subscribe();
        while !fulfilled(&self.entries()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Record {
    /// Counts from 0 over the life of the service.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Which TCP connection it came on.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// When, by the service's clock.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The protocol that client and server agreed on: `http/1.1` or `h2`.
    pub fn protocol(&self) -> &str {
        self.protocol
    }

    /// The HTTP method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The route, as `files/upload`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Whose token it was.
    pub fn account(&self) -> Option<&str> {
        self.account.get().map(String::as_str)
    }

    /// The name of the device that the token was given to.
    pub fn device(&self) -> Option<&str> {
        self.device.get().map(String::as_str)
    }

    /// The argument, as it was sent; credentials are never among it.
    pub fn argument(&self) -> Option<&str> {
        self.argument.get().map(String::as_str)
    }

    /// What was done to it by plan.
    pub fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// The status of the answer, or 0 as long as there is none.
    pub fn status(&self) -> u16 {
        self.status.load(Ordering::Relaxed)
    }

    /// Bytes of the request's body.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes of the answer's body, as far as they were handed to the connection.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether the whole answer was handed to the connection.
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// All of it as one JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "number": self.number, "connection": self.connection, "at": self.at.to_string(), "protocol": self.protocol, "method": self.method,
            "route": self.route, "account": self.account(), "device": self.device(), "argument": self.argument(),
            "fault": self.fault(), "status": self.status(), "received": self.received(), "sent": self.sent(),
            "finished": self.is_finished(),
        })
    }

    fn notify(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn set_account(&self, account: &str, device: &str) {
        self.account.get_or_init(|| account.to_owned());
        self.device.get_or_init(|| device.to_owned());
    }

    pub(crate) fn set_argument(&self, argument: &str) {
        self.argument.get_or_init(|| argument.to_owned());
    }

    pub(crate) fn set_fault(&self, fault: String) {
        self.fault.get_or_init(|| fault);
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
        self.notify();
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.notify();
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.notify();
    }

    pub(crate) fn finished(&self) {
        self.finished.store(true, Ordering::Relaxed);
        self.notify();
    }
}
