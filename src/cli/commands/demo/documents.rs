//! The smallest documents that real programs open: a PDF of one page, and a DOCX (a ZIP of three XML files, stored).

/// A page with a heading and lines below it.
pub(super) fn pdf(heading: &str, lines: &[&str]) -> Vec<u8> {
    let mut page = format!("BT /F1 18 Tf 72 760 Td ({}) Tj /F1 11 Tf 0 -16 Td", escaped_pdf(heading));
    for line in lines {
        page += &format!(" 0 -16 Td ({}) Tj", escaped_pdf(line));
    }
    page += " ET";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>".to_owned(),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(&objects) {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let trailer = format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{}\n%%EOF\n", objects.len() + 1, file.len());
    (file + &table + &trailer).into_bytes()
}

fn escaped_pdf(text: &str) -> String {
    text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)")
}

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;

const RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;

/// A text document of these paragraphs.
pub(super) fn docx(paragraphs: &[&str]) -> Vec<u8> {
    let mut document = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>"#
        .to_owned();
    for paragraph in paragraphs {
        let text = paragraph.replace('&', "&amp;").replace('<', "&lt;");
        document += &format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    }
    document += "</w:body></w:document>";
    zip(&[("[Content_Types].xml", CONTENT_TYPES), ("_rels/.rels", RELATIONS), ("word/document.xml", &document)])
}

/// A ZIP archive of uncompressed files.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, text) in files {
        let offset = length(&archive);
        let mut common = Vec::new();
        let version = [20, 0, 0, 0, 0, 0]; // version 2.0, no flags, stored
        let date = [0, 0, 0x21, 0x5a]; // 2025-01-01 00:00
        common.extend_from_slice(&version);
        common.extend_from_slice(&date);
        common.extend_from_slice(&crc32(text.as_bytes()).to_le_bytes());
        common.extend_from_slice(&length(text.as_bytes()).to_le_bytes());
        common.extend_from_slice(&length(text.as_bytes()).to_le_bytes());
        common.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        common.extend_from_slice(&[0, 0]); // no extra field
        archive.extend_from_slice(b"PK\x03\x04");
        archive.extend_from_slice(&common);
        archive.extend_from_slice(name.as_bytes());
        archive.extend_from_slice(text.as_bytes());
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]); // no comment, first disk, no attributes
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (count, start, size) = (u16::try_from(files.len()).unwrap_or(u16::MAX), length(&archive), length(&directory));
    archive.extend_from_slice(&directory);
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    archive.extend_from_slice(&count.to_le_bytes());
    archive.extend_from_slice(&count.to_le_bytes());
    archive.extend_from_slice(&size.to_le_bytes());
    archive.extend_from_slice(&start.to_le_bytes());
    archive.extend_from_slice(&[0, 0]);
    archive
}

/// Documents here are small; a ZIP of 4 GiB would need another format.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn every_offset_of_a_pdf_leads_to_its_object() {
        let file = pdf("Motion (draft)", &["one", "two"]);
        let text = String::from_utf8(file).unwrap();
        let table: usize = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        assert!(text[table..].starts_with("xref\n0 6\n"));
        for (number, line) in text[table..].lines().skip(3).take(5).enumerate() {
            let offset: usize = line[..10].parse().unwrap();
            assert!(text[offset..].starts_with(&format!("{} 0 obj", number + 1)), "{line}");
        }
        assert!(text.contains("(Motion \\(draft\\)) Tj"));
    }

    #[test]
    fn a_docx_has_its_directory_where_its_end_says() {
        let file = docx(&["Dear counsel,", "A & B < C"]);
        let end = &file[file.len() - 22..];
        assert!(end.starts_with(b"PK\x05\x06"));
        let start = usize::try_from(u32::from_le_bytes(end[16..20].try_into().unwrap())).unwrap();
        assert!(file[start..].starts_with(b"PK\x01\x02"));
        let entries = file.windows(4).filter(|four| four == b"PK\x01\x02").count();
        assert_eq!(entries, 3);
        assert!(String::from_utf8_lossy(&file).contains("A &amp; B &lt; C"));
    }
}
