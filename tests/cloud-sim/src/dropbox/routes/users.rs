//! The account, its space, and whether its token works.

use serde_json::{Value, json};

use super::{Answer, Reply};
use crate::dropbox::model::world::Account;
use crate::dropbox::service::Call;
use crate::dropbox::wire::{Args, Refusal, tag};

/// The namespaces that an account starts from.
pub(crate) fn root_info(account: &Account) -> Value {
    let mut info = json!({
        ".tag": "user",
        "root_namespace_id": account.root.to_string(),
        "home_namespace_id": account.home.to_string(),
    });
    if account.root != account.home {
        info[".tag"] = "team".into();
        info["home_path"] = format!("/{}", account.display_name()).into();
    }
    info
}

pub(crate) fn current_account(call: &Call<'_>) -> Answer {
    let world = call.world();
    let account = world.account(&call.caller.account).ok_or_else(|| Refusal::Auth(tag("invalid_access_token")))?;
    let team = account.root != account.home;
    let mut full = json!({
        "account_id": *account.id,
        "name": name(account),
        "email": account.email,
        "email_verified": true,
        "disabled": account.disabled,
        "country": "DE",
        "locale": "en",
        "referral_link": "https://db.tt/simulated",
        "is_paired": false,
        "account_type": tag(if team { "business" } else { "pro" }),
        "root_info": root_info(account),
    });
    if team {
        full["team"] = json!({ "id": "dbtid:simulated", "name": "Team" });
        full["team_member_id"] = "dbmid:simulated".into();
    }
    Ok(Reply::json(&full))
}

pub(crate) fn space_usage(call: &Call<'_>) -> Answer {
    let world = call.world();
    let account = world.account(&call.caller.account).ok_or_else(|| Refusal::Auth(tag("invalid_access_token")))?;
    let used = world.used(account.home);
    let allocation = if account.root == account.home {
        json!({ ".tag": "individual", "allocated": account.quota })
    } else {
        json!({
            ".tag": "team", "used": world.used(account.root), "allocated": account.quota,
            "user_within_team_space_allocated": 0,
            "user_within_team_space_limit_type": tag("off"), "user_within_team_space_used_cached": used,
        })
    };
    Ok(Reply::json(&json!({ "used": used, "allocation": allocation })))
}

/// Ends the link that the token belongs to: it, its refresh token and all other access tokens of that.
pub(crate) fn revoke(call: &Call<'_>) -> Answer {
    call.dropbox.access().grants[call.caller.grant].revoked = true;
    Ok(Reply::null())
}

/// What anybody may know of another account.
pub(crate) fn account(call: &Call<'_>, mut args: Args) -> Answer {
    let id = args.string("account_id")?;
    if id.chars().count() != 40 {
        return Err(args.error("account_id", "'account_id' must be 40 characters"));
    }
    args.done()?;
    let world = call.world();
    let account = world.account(&id).ok_or_else(|| Refusal::tag("no_account"))?;
    Ok(Reply::json(&json!({
        "account_id": *account.id,
        "name": name(account),
        "email": account.email,
        "email_verified": true,
        "disabled": account.disabled,
        "is_teammate": false,
    })))
}

/// Features of the account, of those that were asked for.
pub(crate) fn features(_call: &Call<'_>, mut args: Args) -> Answer {
    let asked = args.objects("features", 1, 100)?;
    args.done()?;
    let mut values = Vec::new();
    for mut feature in asked {
        let tag_name = feature.string(".tag")?;
        values.push(json!({ ".tag": tag_name, tag_name.as_str(): tag("disabled") }));
    }
    Ok(Reply::json(&json!({ "values": values })))
}

fn name(account: &Account) -> Value {
    let initials: String =
        [&account.given_name, &account.surname].into_iter().filter_map(|name| name.chars().next()).collect();
    json!({
        "given_name": account.given_name,
        "surname": account.surname,
        "familiar_name": account.given_name,
        "display_name": account.display_name(),
        "abbreviated_name": initials,
    })
}

pub(crate) fn check(_call: &Call<'_>, mut args: Args) -> Answer {
    let query = args.optional_string("query")?.unwrap_or_default();
    if query.chars().count() > 500 {
        return Err(args.error("query", "'query' must be at most 500 characters"));
    }
    args.done()?;
    Ok(Reply::json(&json!({ "result": query })))
}
