//! Names of conflict copies as programs really give them, and names that are none.

use proptest::prelude::*;

use super::*;
use crate::sync::conflict::conflict_name;
use crate::types::NameRules;

fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

fn found(text: &str) -> Option<(String, Maker, String, Evidence)> {
    let ConflictCopy { original, maker, whose, evidence } = conflict_copy(&name(text))?;
    Some((original.into(), maker, whose.unwrap_or_default(), evidence))
}

/// Name, original, maker, whose.
const CERTAIN: [(&str, &str, Maker, &str); 44] = [
    ("brief (Anna's conflicted copy 2024-01-02).pdf", "brief.pdf", Maker::Dropbox, "Anna"),
    ("brief (Anna\u{2019}s conflicted copy 2024-01-02).pdf", "brief.pdf", Maker::Dropbox, "Anna"),
    ("brief (Anna's conflicted copy).pdf", "brief.pdf", Maker::Dropbox, "Anna"),
    ("brief (conflicted copy).pdf", "brief.pdf", Maker::Dropbox, ""),
    ("brief (Anna's MacBook (2)'s conflicted copy 2024-01-02).pdf", "brief.pdf", Maker::Dropbox, "Anna's MacBook (2)"),
    ("brief (Anna's conflicted copy 2024-01-02 (1)).pdf", "brief.pdf", Maker::Dropbox, "Anna"),
    ("brief (Anna's conflicted copy 2024-01-02 1).pdf", "brief.pdf", Maker::Dropbox, "Anna"),
    ("brief (DESKTOP-1's Conflicted Copy 2024-01-02).pdf", "brief.pdf", Maker::Dropbox, "DESKTOP-1"),
    ("README (Anna's conflicted copy 2024-01-02)", "README", Maker::Dropbox, "Anna"),
    ("README (mac.fritz.box's conflicted copy 2024-01-02)", "README", Maker::Dropbox, "mac.fritz.box"),
    ("a (b) (Anna's conflicted copy 2024-01-02).pdf", "a (b).pdf", Maker::Dropbox, "Anna"),
    ("brief (Annas in Konflikt stehende Kopie 2024-01-02).pdf", "brief.pdf", Maker::Dropbox, "Annas"),
    ("brief (In Konflikt stehende Kopie von Anna 2024-01-02).pdf", "brief.pdf", Maker::Dropbox, "Anna"),
    ("brief (Copie en conflit de Zoé 2024-01-02).pdf", "brief.pdf", Maker::Dropbox, "Zoé"),
    ("brief (Copia en conflicto de D SM 2024-03-08).docx", "brief.docx", Maker::Dropbox, "D SM"),
    ("brief (Copia conflictiva de Ana 2012-03-08).docx", "brief.docx", Maker::Dropbox, "Ana"),
    ("i (Copia in conflitto di MBP.fritz.box 2026-10-08).html", "i.html", Maker::Dropbox, "MBP.fritz.box"),
    ("S (Cópia em conflito de Contab 2026-08-25 1).xlsx", "S.xlsx", Maker::Dropbox, "Contab"),
    ("S (Co\u{301}pia em conflito de Contab 2026-08-25).xlsx", "S.xlsx", Maker::Dropbox, "Contab"),
    ("brief (Elins iPhone:s motstridiga kopia 2026-10-03).md", "brief.md", Maker::Dropbox, "Elins iPhone"),
    ("brief (skiftlägeskonflikt).md", "brief.md", Maker::Dropbox, ""),
    ("brief (NK2s modstridende kopi 2026-10-03).js", "brief.js", Maker::Dropbox, "NK2s"),
    ("b (kopia powodująca konflikt użytkownika Jan 2026-10-02).json", "b.json", Maker::Dropbox, "Jan"),
    ("b (Конфликтующая копия пользователя Al 2022-02-14 02_1.12.08 PM).html", "b.html", Maker::Dropbox, "Al"),
    ("買い物 (Taketan の競合コピー 2026-09-06).md", "買い物.md", Maker::Dropbox, "Taketan"),
    ("README(Cong-Windows的冲突副本1_2026-06-26 02-11-37).md", "README.md", Maker::Dropbox, "Cong-Windows"),
    ("회의 (김의 충돌된 사본 2026-09-29).md", "회의.md", Maker::Dropbox, "김"),
    ("Records (Case Conflict)", "Records", Maker::Dropbox, ""),
    ("Records (Case Conflict (1)).txt", "Records.txt", Maker::Dropbox, ""),
    ("Records (Unicode Encoding Conflict).txt", "Records.txt", Maker::Dropbox, ""),
    ("brief (Anna's conflicted copy 2024-01-02) (1).pdf", BY_ANNA, Maker::Dropbox, "Anna"),
    ("my (conflicted copy 2025-04-10 093612).txt", "my.txt", Maker::Nextcloud, ""),
    ("my (conflicted copy anna 2025-04-10 093612).txt", "my.txt", Maker::Nextcloud, "anna"),
    ("my_conflict-20150101-123456.txt", "my.txt", Maker::Nextcloud, ""),
    ("my_conflict-anna-20150101-123456.txt", "my.txt", Maker::Nextcloud, "anna"),
    ("my.sync-conflict-20240102-123456-ABCDEF7.txt", "my.txt", Maker::Syncthing, "ABCDEF7"),
    ("my.sync-conflict-20240102-123456.txt", "my.txt", Maker::Syncthing, ""),
    ("my.tar.sync-conflict-20240102-123456-ABCDEF7.gz", "my.tar.gz", Maker::Syncthing, "ABCDEF7"),
    (".profile.sync-conflict-20240102-123456-ABCDEF7", ".profile", Maker::Syncthing, "ABCDEF7"),
    ("my (SFConflict anna@x.org 2024-01-02-12-34-56).txt", "my.txt", Maker::Seafile, "anna@x.org"),
    ("my.md (SFConflict anna 2024-01-02-12-34-56)", "my.md", Maker::Seafile, "anna"),
    ("my.conflicted (anna's laptop copy 2024-01-02).txt", "my.txt", Maker::Keybase, "anna's laptop"),
    ("brief (conflict Anna s Mac 2026-03-01 101500).txt", "brief.txt", Maker::Vaultfs, "Anna s Mac"),
    (
        "brief (conflict Mac 2026-03-01 101500) 2.txt",
        "brief (conflict Mac 2026-03-01 101500).txt",
        Maker::Vaultfs,
        "Mac",
    ),
];

const BY_ANNA: &str = "brief (Anna's conflicted copy 2024-01-02).pdf";

#[test]
fn copies_are_known_by_their_names() {
    for (text, original, maker, whose) in CERTAIN {
        let expected = Some((original.to_owned(), maker, whose.to_owned(), Evidence::Name));
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn names_that_people_choose_need_the_original_beside_them() {
    let unless = |text: &str| Evidence::Beside { unless: (!text.is_empty()).then(|| name(text)) };
    for (text, original, maker, whose, evidence) in [
        ("Contract (1).pdf", "Contract.pdf", Maker::Counting, "", unless("")),
        ("Contract (12).pdf", "Contract.pdf", Maker::Counting, "", unless("")),
        ("Take (1).wav", "Take.wav", Maker::Counting, "", unless("")),
        ("Contract [Conflict].pdf", "Contract.pdf", Maker::Counting, "", unless("")),
        ("Contract (conflicted).pdf", "Contract.pdf", Maker::Counting, "", unless("")),
        ("Exhibit 2.pdf", "Exhibit.pdf", Maker::ICloud, "", unless("Exhibit 1.pdf")),
        ("Exhibit 2", "Exhibit", Maker::ICloud, "", unless("Exhibit 1")),
        ("photo.Conflict.jpg", "photo.jpg", Maker::Resilio, "", unless("")),
        ("photo.Conflict2.jpg", "photo.jpg", Maker::Resilio, "", unless("")),
        ("photo.Conflict", "photo", Maker::Resilio, "", unless("")),
        ("plan-DESKTOP-A1B2C3D.xlsx", "plan.xlsx", Maker::OneDrive, "DESKTOP-A1B2C3D", unless("")),
        ("plan-LAPTOP-A1B2C3D4.xlsx", "plan.xlsx", Maker::OneDrive, "LAPTOP-A1B2C3D4", unless("")),
    ] {
        assert_eq!(found(text), Some((original.to_owned(), maker, whose.to_owned(), evidence)), "{text}");
    }
}

#[test]
fn ordinary_names_are_no_copies() {
    for text in [
        "Contract.pdf",
        "Contract (signed).pdf",
        "Budget (2024).xlsx",
        "Budget (007).xlsx",
        "Budget (0).xlsx",
        "(1).pdf",
        "(Anna's conflicted copy 2024-01-02).pdf",
        "Contract(1).pdf",
        "Contract copy.pdf",
        "Contract - Copy.pdf",
        "Memo (conflict of interest).docx",
        "Memo (conflict of interest 2024-01-02).docx",
        "Memo (conflicted copy policy).docx",
        "Conflict.pdf",
        "Conflicted copy.pdf",
        "Anna's conflicted copy 2024-01-02.pdf",
        "Session 1.als",
        "Take 2.wav",
        "Session 2024.als",
        "Session 02.als",
        "2",
        " 2",
        "my.sync-conflict-notes.txt",
        "my.sync-conflict-20240102-123456-lower.txt",
        ".sync-conflict-20240102-123456-ABCDEF7.txt",
        "my_conflict-20150101.txt",
        "my (SFConflict).txt",
        "my (SFConflict anna).txt",
        "plan-DESKTOP-wallpaper.png",
        "-DESKTOP-A1B2C3D.xlsx",
        "smith v. jones.Conflicts.pdf",
        "x ().pdf",
        "x )(.pdf",
        "x).pdf",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
}

fn stem() -> impl Strategy<Value = String> {
    "[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ0-9_.& -]{0,30}[A-Za-zÀ-ÿ]".prop_filter("a mark of its own", |stem| !stem.contains("onflict"))
}

fn extension() -> impl Strategy<Value = String> {
    "(\\.[a-z]{2,4})?"
}

fn owner() -> impl Strategy<Value = String> {
    "[A-Z][A-Za-z0-9-]{0,12}( [A-Z][a-z]{1,8})?"
}

/// The marks that are proof, with a place for whose it is and for the date.
const MARKS: [&str; 9] = [
    " (WHO's conflicted copy DATE)",
    " (WHO:s motstridiga kopia DATE)",
    " (In Konflikt stehende Kopie von WHO DATE)",
    " (Copie en conflit de WHO DATE)",
    " (Copia in conflitto di WHO DATE)",
    " (WHO の競合コピー DATE)",
    " (conflict WHO DATE 101500)",
    " (SFConflict WHO DATE-10-15-00)",
    " (conflicted copy WHO DATE 101500)",
];

proptest! {
    #[test]
    fn no_name_is_too_strange(text in "\\PC{1,60}|[ ()\\[\\].2-]{1,12}|.{0,8} \\(.{0,20}(conflicted copy|競合コピー).{0,20}\\).{0,5}") {
        if let Ok(name) = EntryName::new(text)
            && let Some(copy) = conflict_copy(&name)
        {
            prop_assert!(copy.original.as_str().len() < name.as_str().len());
        }
    }

    #[test]
    fn what_is_marked_is_found_and_unmarked(
        (stem, extension, owner) in (stem(), extension(), owner()),
        mark in proptest::sample::select(&MARKS[..]),
        day in 10..29,
    ) {
        let date = format!("2024-11-{day}");
        let mark = mark.replace("WHO", &owner).replace("DATE", &date);
        let copy = conflict_copy(&name(&format!("{stem}{mark}{extension}")));
        prop_assert_eq!(
            copy.map(|copy| (copy.original.to_string(), copy.whose, copy.evidence)),
            Some((format!("{stem}{extension}"), Some(owner), Evidence::Name))
        );
    }

    #[test]
    fn our_own_marks_are_found(
        (stem, extension, owner) in (stem(), extension(), owner()),
        taken in 0_usize..3,
    ) {
        let (plain, mut asked) = (name(&format!("{stem}{extension}")), 0);
        let marker = format!(" (conflict {owner} 2026-03-01 101500)");
        let ours = conflict_name(&plain, &marker, &NameRules::EXACT, |_| {
            asked += 1;
            asked <= taken
        });
        let copy = conflict_copy(&ours).unwrap();
        prop_assert_eq!((copy.maker, copy.evidence), (Maker::Vaultfs, Evidence::Name));
    }

    #[test]
    fn what_has_no_mark_is_no_copy(
        stem in stem().prop_filter("a number of its own", |stem| {
            !stem.split('.').any(|part| part.ends_with(|letter: char| letter.is_ascii_digit()))
        }),
        extension in extension(),
    ) {
        prop_assert_eq!(conflict_copy(&name(&format!("{stem}{extension}"))), None);
    }
}
