//! What stands beside the contents: temporary links, exports, previews, thumbnails.

use std::sync::Arc;

use serde_json::{Value, json};

use super::download::version;
use super::{Answer, Reply};
use crate::content::Blob;
use crate::dropbox::links;
use crate::dropbox::model::path;
use crate::dropbox::service::Call;
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, tag};

/// A picture of one pixel.
const PIXEL: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\
    \xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";

/// A document of one empty page.
const PAGE: &[u8] =
    b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj \
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 3 3]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// Extensions with thumbnails.
const PICTURES: &[&str] = &["jpg", "jpeg", "png", "tiff", "tif", "gif", "webp", "ppm", "bmp"];

/// Extensions with previews.
const DOCUMENTS: &[&str] = &[
    "ai", "doc", "docm", "docx", "eps", "gdoc", "gslides", "odp", "odt", "pps", "ppsm", "ppsx", "ppt", "pptm", "pptx",
    "rtf", "csv", "ods", "xls", "xlsm", "gsheet", "xlsx",
];

fn extension(metadata: &Value) -> String {
    let name = metadata["name"].as_str().unwrap_or_default();
    path::lower(name.rsplit_once('.').map_or("", |(_, extension)| extension))
}

pub(crate) fn temporary_link(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Read)?;
    args.done()?;
    let (file, metadata) = version(call, &path).map_err(Refusal::path)?;
    if file.traits.export_as.is_some() {
        return Err(Refusal::tag("unsupported_file"));
    }
    let id = call.world().token::<32>();
    let expires = call.dropbox.clock.seconds() + links::LIFE;
    call.dropbox.links().add(id.clone(), file.blob.clone(), file.rev.clone(), expires);
    let base = call.dropbox.base_url.get().map_or("", String::as_str);
    Ok(Reply::json(&json!({ "metadata": metadata, "link": format!("{base}/temporary/{id}") })))
}

pub(crate) fn export(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Read)?;
    let format = args.optional_string("export_format")?;
    args.done()?;
    let (file, metadata) = version(call, &path).map_err(Refusal::path)?;
    let Some(export_as) = file.traits.export_as else { return Err(Refusal::tag("non_exportable")) };
    if format.is_some_and(|format| format != export_as) {
        return Err(Refusal::tag("invalid_export_format"));
    }
    let name = metadata["name"].as_str().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let exported = json!({
        "export_metadata": {
            "name": format!("{stem}.{export_as}"), "size": file.blob.length(), "export_hash": file.blob.hash().to_string(),
        },
        "file_metadata": metadata,
    });
    Ok(content(exported, &file.rev, file.blob.clone(), "application/octet-stream"))
}

pub(crate) fn preview(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Read)?;
    let rev = args.optional_string("rev")?;
    args.done()?;
    let path = rev.map_or(path, PathArg::Rev);
    let (file, metadata) = version(call, &path).map_err(Refusal::path)?;
    if !DOCUMENTS.contains(&extension(&metadata).as_str()) {
        return Err(Refusal::tag("unsupported_extension"));
    }
    made(call, metadata, &file.rev, PAGE, "application/pdf")
}

pub(crate) fn thumbnail(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Read)?;
    take_looks(&mut args)?;
    args.done()?;
    let (file, metadata) = version(call, &path).map_err(Refusal::path)?;
    if !PICTURES.contains(&extension(&metadata).as_str()) {
        return Err(Refusal::tag("unsupported_extension"));
    }
    made(call, metadata, &file.rev, PIXEL, "image/png")
}

pub(crate) fn thumbnail_v2(call: &Call<'_>, mut args: Args) -> Answer {
    let resource = args.union("resource")?;
    take_looks(&mut args)?;
    let mut member = resource.ok_or_else(|| args.error("resource", "missing required field 'resource'"))?;
    args.done()?;
    if member.tag != "path" {
        return Err(Refusal::tag("access_error"));
    }
    let path = member.fields.path("path", PathKind::Read)?;
    member.fields.done()?;
    let (file, metadata) = version(call, &path).map_err(Refusal::path)?;
    if !PICTURES.contains(&extension(&metadata).as_str()) {
        return Err(Refusal::tag("unsupported_extension"));
    }
    made(call, json!({ "file_metadata": metadata }), &file.rev, PIXEL, "image/png")
}

pub(crate) fn thumbnail_batch(call: &Call<'_>, mut args: Args) -> Answer {
    use base64::Engine as _;
    let entries = args.objects("entries", 0, 25)?;
    args.done()?;
    let mut results = Vec::new();
    for mut entry in entries {
        let path = entry.path("path", PathKind::Read)?;
        take_looks(&mut entry)?;
        entry.done()?;
        let failure = |error: Value| json!({ ".tag": "failure", "failure": error });
        results.push(match version(call, &path) {
            Err(error) => failure(json!({ ".tag": "path", "path": error })),
            Ok((_, metadata)) if !PICTURES.contains(&extension(&metadata).as_str()) => {
                failure(tag("unsupported_extension"))
            }
            Ok((_, metadata)) => json!({
                ".tag": "success", "metadata": metadata,
                "thumbnail": base64::engine::general_purpose::STANDARD.encode(PIXEL),
            }),
        });
    }
    Ok(Reply::json(&json!({ "entries": results })))
}

/// Format, size, mode and quality, which a picture of one pixel has nothing to do with.
fn take_looks(args: &mut Args) -> Result<(), Refusal> {
    args.choice("format", &["jpeg", "png", "webp"])?;
    let sizes = [
        "w32h32",
        "w64h64",
        "w128h128",
        "w256h256",
        "w480h320",
        "w640h480",
        "w960h640",
        "w1024h768",
        "w2048h1536",
        "w3200h2400",
    ];
    args.choice("size", &sizes)?;
    args.choice("mode", &["strict", "bestfit", "fitone_bestfit", "original"])?;
    args.choice("quality", &["quality_80", "quality_90"])?;
    args.flag("exclude_media_info")?;
    Ok(())
}

fn made(call: &Call<'_>, metadata: Value, rev: &str, bytes: &[u8], content_type: &'static str) -> Answer {
    let blob = Blob::from_bytes(&call.dropbox.spill, bytes).map_err(|error| Refusal::Text(error.to_string()))?;
    Ok(content(metadata, rev, Arc::new(blob), content_type))
}

fn content(metadata: Value, rev: &str, blob: Arc<Blob>, content_type: &'static str) -> Reply {
    Reply::Content { metadata, rev: rev.to_owned(), blob, content_type }
}
