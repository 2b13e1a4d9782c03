//! The simulator's own routes, below `/_sim/`, for tests that are not written in Rust and talk to the program.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Account;
use super::oauth::{Consent, OAuth};
use super::service::Dropbox;
use crate::faults::Fault;
use crate::http::{Request, Response};
use std::sync::Arc;

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
        "faults/clear" => dropbox.faults.clear(),
        "clock/advance" => dropbox.clock.advance(Duration::from_secs(fields.number("seconds", 0))),
        "cursors/reset" => dropbox.reset_cursors(),
        "tokens/expire" => oauth.expire_tokens(),
        "unlink" => account.unlink_all(),
        "quota" => account.set_quota(fields.number("bytes", 0)),
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
