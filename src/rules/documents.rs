//! Which files are documents of legal work, by their names: text, sheets, slides, mail, scans. Recordings and programs are not.

/// Extensions, lower case.
const EXTENSIONS: [&str; 33] = [
    "pdf", "doc", "docx", "docm", "dot", "dotx", "odt", "ott", "rtf", "txt", "md", "wpd", "pages", "xls", "xlsx",
    "xlsm", "ods", "csv", "numbers", "ppt", "pptx", "odp", "key", "eml", "msg", "ics", "jpg", "jpeg", "png", "tif",
    "tiff", "heic", "xml",
];

/// Names that say that their folder is a case: without them the other devices would not see it.
const MARKERS: [&str; 2] = [".case", "case.json"];

/// Whether a file of this name is a document, or marks a case.
pub fn is_document(name: &str) -> bool {
    let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| extension);
    MARKERS.contains(&name)
        || extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_by_their_extension() {
        for name in ["brief.docx", "Scan 001.PDF", "a.b.eml", ".case", "case.json", "photo.JPEG"] {
            assert!(is_document(name), "{name}");
        }
        for name in ["interview.mp4", "take.wav", "setup.exe", "other.json", "pdf", ".pdf", "brief.docx.bak", ""] {
            assert!(!is_document(name), "{name}");
        }
    }
}
