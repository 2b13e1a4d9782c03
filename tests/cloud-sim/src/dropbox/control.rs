//! The simulator's own routes, below `/_sim/`, for tests that are not written in Rust and talk to the program.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::oauth::{Consent, OAuth};
use super::service::Dropbox;
use super::{Account, Item, Web};
use crate::faults::Fault;
use crate::http::{Request, Response};

/// What a control request gives back, or what is wrong with it.
type Outcome = Result<Value, String>;

struct Fields(Map<String, Value>);

impl Fields {
    fn text(&self, name: &str) -> Result<&str, String> {
        self.0.get(name).and_then(Value::as_str).ok_or_else(|| format!("\"{name}\" must be a string"))
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        self.0.get(name).and_then(Value::as_u64).unwrap_or(default)
    }
}

pub(crate) async fn answer(dropbox: &Arc<Dropbox>, what: &str, mut request: Request) -> Option<Response> {
    let body = request.body.whole(64 * 1024 * 1024).await.ok()?.unwrap_or_default();
    let outcome = if request.method == Method::GET && what == "log" {
        Ok(dropbox.log.entries().iter().map(|record| record.to_json()).collect())
    } else {
        let fields = match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => Map::new(),
        };
        act(dropbox, what, &Fields(fields))
    };
    dropbox.announce();
    Some(match outcome {
        Ok(value) => Response::json(StatusCode::OK, value.to_string()),
        Err(text) => Response::text(StatusCode::BAD_REQUEST, text),
    })
}

fn act(dropbox: &Arc<Dropbox>, what: &str, fields: &Fields) -> Outcome {
    let first = dropbox.world().accounts.first().map(|account| account.id.clone());
    let account = Account { dropbox: dropbox.clone(), id: first.ok_or("no account")? };
    let oauth = OAuth { dropbox: dropbox.clone() };
    let web = account.web();
    let refused = |error: super::Refused| error.to_string();
    match what {
        "web/write" => {
            let rev = web.write(fields.text("path")?, fields.text("text")?.as_bytes()).map_err(refused)?;
            return Ok(json!({ "rev": rev }));
        }
        "web/write_zeros" => {
            let rev = web.write_zeros(fields.text("path")?, fields.number("length", 0)).map_err(refused)?;
            return Ok(json!({ "rev": rev }));
        }
        "web/write_computed" => {
            let (length, seed) = (fields.number("length", 0), fields.number("seed", 1));
            let rev = web.write_computed(fields.text("path")?, length, seed).map_err(refused)?;
            return Ok(json!({ "rev": rev }));
        }
        "web/write_many" => {
            // Small files named by number, for listings: made under one lock.
            web.write_many(fields.text("folder")?, fields.number("count", 0)).map_err(refused)?;
        }
        "web/import" => import(&web, Path::new(fields.text("from")?), fields.text("path")?)?,
        "web/export" => export(&web, fields.text("path")?, Path::new(fields.text("to")?))?,
        "web/create_folder" => web.create_folder(fields.text("path")?).map_err(refused)?,
        "web/delete" => web.delete(fields.text("path")?).map_err(refused)?,
        "web/rename" => web.rename(fields.text("from")?, fields.text("to")?).map_err(refused)?,
        "faults" => {
            let fault = Fault::named(fields.text("fault")?).ok_or("no such fault")?;
            let route = fields.text("route")?;
            if !dropbox.faults.knows(route) {
                return Err(format!("no route is called \"{route}\""));
            }
            dropbox.faults.times(usize::try_from(fields.number("times", 1)).unwrap_or(1), route, fault);
        }
        "faults/chances" => {
            dropbox.faults.add_spec(fields.text("faults")?).map_err(|error| error.to_string())?;
        }
        "faults/clear" => dropbox.faults.clear(),
        "clock/advance" => dropbox.clock.advance(Duration::from_secs(fields.number("seconds", 0))),
        "cursors/reset" => dropbox.reset_cursors(),
        "tokens/expire" => oauth.expire_tokens(),
        "unlink" => account.unlink_all(),
        "quota" => account.set_quota(fields.number("bytes", 0)),
        "link" => {
            dropbox.link.set_round_trip(Duration::from_millis(fields.number("round_trip_ms", 0)));
            dropbox.link.set_bandwidth(fields.number("bytes_per_second", 0));
        }
        "longpoll/jitter" => dropbox.quirks().longpoll_jitter = fields.number("seconds", 0),
        "log/clear" => dropbox.log.clear(),
        "consent" => oauth.set_consent(match fields.text("consent")? {
            "approve" => Consent::Approve,
            "deny" => Consent::Deny,
            "ask" => Consent::Ask,
            other => return Err(format!("\"{other}\" is none of approve, deny, ask")),
        }),
        other => return Err(format!("no control is called \"{other}\"")),
    }
    Ok(Value::Null)
}

/// Puts a file or folder of this machine into the account.
fn import(web: &Web, from: &Path, path: &str) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", from.display());
    if !fs::metadata(from).map_err(failed)?.is_dir() {
        return web.write(path, &fs::read(from).map_err(failed)?).map(drop).map_err(|error| error.to_string());
    }
    web.create_folder(path).map_err(|error| error.to_string())?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string().map_err(|name| format!("{}: no UTF-8", name.display()))?;
        import(web, &entry.path(), &format!("{path}/{name}"))?;
    }
    Ok(())
}

/// Writes what stands at a path, and below it, to this machine.
fn export(web: &Web, path: &str, to: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", to.display());
    match web.item(path) {
        None => Err(format!("nothing stands at {path}")),
        Some(Item::File { .. }) => {
            let bytes = web.read(path).map_err(|error| error.to_string())?;
            fs::write(to, bytes).map_err(failed)
        }
        Some(Item::Folder) => {
            fs::create_dir(to).map_err(failed)?;
            let below = format!("{path}/");
            // In the order of paths: a folder comes before what it holds.
            for (shown, item) in web.tree() {
                let Some(inside) = shown.get(..below.len()).filter(|start| start.eq_ignore_ascii_case(&below)) else {
                    continue;
                };
                let to = to.join(&shown[inside.len()..]);
                match item {
                    Item::Folder => fs::create_dir(&to).map_err(failed)?,
                    Item::File { .. } => export(web, &shown, &to)?,
                }
            }
            Ok(())
        }
    }
}
