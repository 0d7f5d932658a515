//! Targets of symbolic links, as volumes can hold them.

use udf::file::path_component;

/// The target as it can be recorded, which may not be what it was; `None` if a name in it is too long.
///
/// What is no UTF-8 becomes `_`, as it does in names: the link then leads to what was renamed in the same way.
pub(super) fn recordable(target: &[u8]) -> Option<String> {
    let readable = match std::str::from_utf8(target) {
        Ok(text) => text.replace(['\u{FEFF}', '\u{FFFE}'], "_"),
        Err(_) => String::from_utf8_lossy(target)
            .replace(['\u{FEFF}', '\u{FFFE}', char::REPLACEMENT_CHARACTER], "_"),
    };
    path_component::encode(&readable).map(|_| readable)
}
