//! Case folders and document types.

use super::*;

fn path(text: &str) -> Vec<EntryName> {
    text.split('/').map(|name| EntryName::new(name).unwrap()).collect()
}

/// The fixture of twenty folders: path, marked, whether it is a case.
const FOLDERS: [(&str, bool, bool); 20] = [
    ("2024-CV-01234", false, true),
    ("2024-CV-01234/2024-CV-01234 Exhibits", false, false),
    ("24 C 1234 Smith v. Jones", false, true),
    ("Case 123", false, true),
    ("Case 123/Case 7 of the witness", false, false),
    ("Case 123/Cross-claim", true, true),
    ("12 O 345-24 Müller gegen Meier", false, true),
    ("Clients", false, false),
    ("Clients/Doe", false, false),
    ("Clients/Doe/CR-2023-0456", false, true),
    ("Clients/Doe/CR-2023-0456/Discovery", false, false),
    ("Clients/Doe/CR-2023-0456/Discovery/24 C 99", false, false),
    ("Clients/Roe (pro bono)", true, true),
    ("Templates", false, false),
    ("2024-05-06 Hearing notes", false, false),
    ("2024", false, false),
    ("Case studies", false, false),
    ("XII ZB 123-2024", false, true),
    ("Matter No. 0042", false, true),
    ("1-24-cv-00555 (N.D. Ill.)", false, true),
];

#[test]
fn twenty_folders_give_the_expected_cases() {
    let scanned: Vec<ScannedFolder> =
        FOLDERS.iter().map(|(text, marked, _)| ScannedFolder { path: path(text), marked: *marked }).collect();
    let expected: BTreeSet<_> = FOLDERS.iter().filter(|(_, _, case)| *case).map(|(text, ..)| path(text)).collect();
    assert_eq!(find_cases(&scanned), expected);
    let reversed: Vec<ScannedFolder> = scanned.into_iter().rev().collect();
    assert_eq!(find_cases(&reversed), expected, "the order of the scan does not matter");
}

#[test]
fn case_numbers_are_told_from_ordinary_names() {
    let cases = [
        "24_CR_0017",
        "CGC-24-612345",
        "[2023 CA 04321] Estate",
        "case #77",
        "Docket 12-345",
        "Az. 3 C 17-23",
        "Akte 2024-15",
        "3 Js 1234_23",
        "5 AZR 123–22",
        "2024 C 10",
        "Case no 5 - closed",
    ];
    for name in cases {
        assert!(is_case_name(name), "{name}");
    }
    for name in [
        "",
        "2024-cv-1",
        "Music",
        "Project 12",
        "2024-Jan-05",
        "2024-12-24",
        "12 Rules",
        "C 1234",
        "Casein 12",
        "Case 12b",
        "24 C 1234x",
        "2124-CV-01234",
        "showcase 12",
        "Photos 2024-CV",
        "12 O 345",
        "12 Q 345-24",
        "I love 24 C 1234",
        "24 March 2024",
    ] {
        assert!(!is_case_name(name), "{name}");
    }
}

#[test]
fn the_layout_knows_a_case_by_name_or_marker() {
    let no_manifest = |_: &str| -> Option<Vec<u8>> { panic!("detection reads no content") };
    let kind = |name: &str, entries: &[&str]| {
        Cases.named_folder_kind(&EntryName::new(name).unwrap(), &|entry| entries.contains(&entry), &no_manifest)
    };
    assert_eq!(kind("Case 1", &[]), FolderKind::Case);
    assert_eq!(kind("Smith", &["case.json"]), FolderKind::Case);
    assert_eq!(kind("Smith", &[".case"]), FolderKind::Case);
    assert_eq!(kind("Smith", &["brief.pdf"]), FolderKind::Unknown);
    assert_eq!(Cases.folder_kind(&|entry| entry == ".case", &no_manifest), FolderKind::Case);
}

#[test]
fn the_filter_lets_documents_pass() {
    let name = |text: &str| EntryName::new(text).unwrap();
    let legal = DocumentFilter::legal();
    for allowed in ["brief.pdf", "Brief.PDF", "a.b.docx", "mail.eml", "scan.TIFF", "case.json", ".case"] {
        assert!(legal.allows(&name(allowed)), "{allowed}");
    }
    for refused in ["setup.exe", "take.wav", "pdf", ".pdf", "archive.zip", "brief.pdf.exe", "data.json", "ends."] {
        assert!(!legal.allows(&name(refused)), "{refused}");
    }
    let own = DocumentFilter::of(&[".WAV"]);
    assert!(own.allows(&name("hearing.wav")) && !own.allows(&name("brief.pdf")));
}
