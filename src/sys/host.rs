//! On which machine this process runs.

use super::platform;

/// The program that opens an address with whatever the desktop has for it.
pub const BROWSER_OPENER: &str = platform::BROWSER_OPENER;

/// Whether a browser needs a display that the environment names.
pub const BROWSER_NEEDS_DISPLAY: bool = platform::BROWSER_NEEDS_DISPLAY;

/// The machine's own name without its domain; `None` if it has none or it is not UTF-8.
pub fn host_name() -> Option<String> {
    let mut buffer = [0_u8; 256];
    // SAFETY: the pointer and the length describe a buffer that outlives the call; one byte is kept back so that a
    // truncated name still ends in NUL.
    let outcome = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    if outcome != 0 {
        return None;
    }
    let name = std::ffi::CStr::from_bytes_until_nul(&buffer).ok()?.to_str().ok()?;
    let name = name.split('.').next().unwrap_or(name);
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_host_name_has_no_domain() {
        let name = super::host_name().unwrap_or_default();
        assert!(!name.contains(['.', '\0']), "{name}");
    }
}
