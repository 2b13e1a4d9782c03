//! Case folders.

use super::*;

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
    let is = |text: &str, marked: bool, in_case: bool| {
        let name = text.rsplit('/').next().unwrap();
        is_case(&EntryName::new(name).unwrap(), marked, in_case)
    };
    for (text, marked, expected) in FOLDERS {
        let in_case = FOLDERS.iter().any(|(above, _, case)| *case && text.starts_with(&format!("{above}/")));
        assert_eq!(is(text, marked, in_case), expected, "{text}");
    }
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
