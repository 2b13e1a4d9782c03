//! Texts that people and scripts rely on, compared with files. `UPDATE_GOLDEN=1` writes them anew; the change is then reviewed
//! like code.

use std::path::Path;

/// Compares with `golden/NAME`.
pub(crate) fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs (UPDATE_GOLDEN=1 writes it anew)\n--- expected\n{expected}\n--- found\n{text}",
        path.display()
    );
}
