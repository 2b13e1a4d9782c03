//! Waiting for a change.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Answer, Reply, list};
use crate::dropbox::service::Dropbox;
use crate::dropbox::wire::{Args, Refusal};
use crate::faults::Special;

/// Waits for news of a cursor; the time counts from when the request came.
pub(crate) async fn longpoll(dropbox: &Dropbox, mut args: Args, special: Option<Special>, came: Timestamp) -> Answer {
    let cursor = list::taken(&mut args)?;
    let timeout = args.optional_number("timeout", 30, 480)?.unwrap_or(30);
    args.done()?;
    if Special::ResetCursor.is(special) {
        return Err(Refusal::tag("reset"));
    }
    let (jitter, backoff) = {
        let quirks = dropbox.quirks();
        (quirks.longpoll_jitter, quirks.longpoll_backoff)
    };
    let wait = Duration::from_secs(timeout + dropbox.random.below(jitter + 1));
    let until = came.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let mut changed = dropbox.changed.subscribe();
    let news = async {
        loop {
            changed.borrow_and_update();
            let news = list::has_news(&dropbox.world(), &cursor);
            match news {
                None => return Err(Refusal::tag("reset")),
                Some(true) => return Ok(true),
                Some(false) => {}
            }
            if changed.changed().await.is_err() {
                return Ok(false);
            }
        }
    };
    let changes = tokio::select! {
        news = news => news?,
        () = dropbox.clock.sleep_until(until) => false,
    };
    Ok(Reply::json(&match backoff {
        Some(seconds) => json!({ "changes": changes, "backoff": seconds }),
        None => json!({ "changes": changes }),
    }))
}
