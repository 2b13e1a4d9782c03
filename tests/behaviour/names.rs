//! Names: what one provider lists, creates, finds and reads must be the same name to the byte.

use vaultfs::provider::ErrorKind;
use vaultfs::types::EntryName;

use crate::harness::{World, create, kind_of, name, read_all, root, settled};

fn pool() -> Vec<String> {
    let mut pool: Vec<String> = [
        " leading",
        "trailing ",
        "dots...",
        "...",
        "..x",
        "a\\b",
        "a:b",
        "a*b?",
        "\"quoted\"",
        "'",
        "-rf",
        "~",
        "%2e%2e%2f",
        "new\nline",
        "tab\t",
        "\u{1}",
        "\u{7f}",
        "\u{202e}gpj.exe",
        "\u{200b}",
        "😀 session.wav",
        "日本語",
        "CON",
        "aux.txt",
        "~$lock.docx",
        ".DS_Store",
        "._fork",
        "$RECYCLE.BIN",
        "con.",
        "C:",
    ]
    .map(str::to_owned)
    .into();
    pool.push("x".repeat(255));
    pool.push("é".repeat(127));
    pool.push("😀".repeat(63));
    pool
}

pub(crate) async fn long_and_strange_names<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let rules = provider.capabilities().names;
    let outside = provider.create_folder(&root, &name("folder")).await.unwrap();
    for text in pool() {
        let entry_name = EntryName::new(text.clone()).unwrap();
        let made = create(provider, &outside.id, &text, text.as_bytes()).await;
        if rules.check(&entry_name).is_err() {
            assert_eq!(kind_of(made), ErrorKind::Refused, "{text:?}");
            continue;
        }
        let made = made.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(made.name.as_str(), text);
        assert_eq!(provider.find(&outside.id, &entry_name).await.unwrap().as_ref(), Some(&made), "{text:?}");
        assert_eq!(read_all(provider, &made).await.unwrap(), text.as_bytes());
    }
    settled(&world).await;
}

pub(crate) async fn both_spellings_of_an_accent<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let first = create(provider, &root, composed, b"composed").await.unwrap();
    let second = create(provider, &root, decomposed, b"decomposed").await;
    let rules = provider.capabilities().names;
    if rules.key(&name(composed)) == rules.key(&name(decomposed)) {
        assert_eq!(kind_of(second), ErrorKind::Exists);
        let found = provider.find(&root, &name(decomposed)).await.unwrap().expect("found by the other spelling");
        assert_eq!(found.id, first.id);
    } else {
        assert_ne!(second.unwrap().id, first.id);
        assert_eq!(settled(&world).await.entries.len(), 2);
    }
}

pub(crate) async fn case_twins<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let first = create(provider, &root, "Take", b"1").await.unwrap();
    let second = create(provider, &root, "take", b"22").await;
    if provider.capabilities().names.case_insensitive {
        assert_eq!(kind_of(second), ErrorKind::Exists);
    } else {
        assert_ne!(second.unwrap().id, first.id);
        assert_eq!(provider.find(&root, &name("Take")).await.unwrap().map(|entry| entry.id), Some(first.id));
        settled(&world).await;
    }
}

pub(crate) async fn refused_names_are_refused<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let file = create(provider, &root, "file", b"bytes").await.unwrap();
    let before = world.web().truth().await;
    let candidates = [".vaultfs-root", ".vaultfs-tmp-x", ".VAULTFS-ROOT", "a/b"];
    for refused in candidates.into_iter().filter_map(|text| EntryName::new(text).ok()) {
        if provider.capabilities().names.check(&refused).is_ok() {
            continue;
        }
        assert_eq!(kind_of(provider.create_folder(&root, &refused).await), ErrorKind::Refused);
        assert_eq!(kind_of(create(provider, &root, refused.as_str(), b"").await), ErrorKind::Refused);
        assert_eq!(kind_of(provider.relocate(&file.id, &root, &refused).await), ErrorKind::Refused);
        if provider.capabilities().symlinks {
            assert_eq!(kind_of(provider.create_symlink(&root, &refused, "x").await), ErrorKind::Refused);
        }
        assert_eq!(provider.find(&root, &refused).await.unwrap(), None);
    }
    assert_eq!(world.web().truth().await, before);
}
