//! What the request log of the service proves.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloud_sim::log::{Log, Record};
use serde_json::Value;

pub(crate) const UPLOAD: &str = "files/upload";
pub(crate) const START: &str = "files/upload_session/start";
pub(crate) const APPEND: &str = "files/upload_session/append_v2";
pub(crate) const FINISH: &str = "files/upload_session/finish_batch_v2";
pub(crate) const DOWNLOAD: &str = "files/download";
pub(crate) const CONTINUE: &str = "files/list_folder/continue";

/// Routes that change the tree of the account.
const CHANGES: &[&str] =
    &[UPLOAD, FINISH, "files/create_folder_v2", "files/move_v2", "files/copy_v2", "files/delete_v2"];

/// The argument of a request.
pub(crate) fn argument(record: &Record) -> Value {
    record.argument().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

/// Where in its session a part stands.
pub(crate) fn offset(part: &Record) -> u64 {
    argument(part)["cursor"]["offset"].as_u64().unwrap()
}

/// True if the service has answered with success.
pub(crate) fn worked(record: &Record) -> bool {
    record.status() == 200
}

/// Requests of one device from the `since`th on, in order.
pub(crate) fn of_device(log: &Log, link: &str, since: u64) -> Vec<Arc<Record>> {
    let mut records = log.entries();
    records.retain(|record| record.device() == Some(link) && record.number() >= since);
    records
}

/// The number that the next request will have, or a later one.
pub(crate) fn now(log: &Log) -> u64 {
    log.entries().last().map_or(0, |record| record.number() + 1)
}

/// Where files were stored, with how often: paths, or ids of files that were there before.
pub(crate) fn stored(records: &[Arc<Record>]) -> BTreeMap<String, usize> {
    let mut stored = BTreeMap::new();
    for record in records.iter().filter(|record| worked(record)) {
        let argument = argument(record);
        let paths: Vec<&Value> = match record.route() {
            UPLOAD => vec![&argument["path"]],
            FINISH => argument["entries"].as_array().unwrap().iter().map(|entry| &entry["commit"]["path"]).collect(),
            _ => Vec::new(),
        };
        for path in paths {
            *stored.entry(path.as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    stored
}

/// Requests that change the tree, in order, as route and argument.
pub(crate) fn changes(records: &[Arc<Record>]) -> Vec<(String, Value)> {
    let changes = records.iter().filter(|record| CHANGES.contains(&record.route()));
    changes.map(|record| (record.route().to_owned(), argument(record))).collect()
}

/// Bytes of contents that were sent, whatever became of them.
pub(crate) fn sent(records: &[Arc<Record>]) -> u64 {
    let of_contents = records.iter().filter(|record| [UPLOAD, START, APPEND].contains(&record.route()));
    of_contents.map(|record| record.received()).sum()
}

/// Bytes of contents that a device has asked for since.
pub(crate) fn downloaded(log: &Log, link: &str, since: u64) -> u64 {
    let of = of_device(log, link, since);
    of.iter().filter(|record| record.route() == DOWNLOAD).map(|record| record.sent()).sum()
}
