//! Text of every kind, lists of checksums among it: decoding never panics, and what is encoded is decoded to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mkudf_ms::checksums::{Algorithm, Checksums};
use udf::Place;
use udf::file::path_component;
use udf::general::{DString, text};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = text::decode(bytes) {
        assert_eq!(decoded, text::decode_lossy(bytes));
        let encoded = text::encode(&decoded);
        assert_eq!(encoded.len(), text::encoded_len(&decoded));
        // A deleted name decodes too, but is encoded as one that is not; the text is the same.
        assert_eq!(text::decode(&encoded).as_ref(), Ok(&decoded));
    }
    if let Ok(field) = <[u8; 32]>::try_from(bytes) {
        let _ = (DString(field).decode(), DString(field).decode_lossy(), DString(field).is_empty());
    }
    if let Ok(list) = Checksums::parse(Algorithm::Sha256, bytes) {
        assert_eq!(Checksums::parse(Algorithm::Sha256, &list.to_bytes()).as_ref(), Ok(&list));
    }
    if let Ok(target) = path_component::decode(bytes, Place::Within)
        && let Some(encoded) = path_component::encode(&target)
    {
        let again = path_component::decode(&encoded, Place::Within).expect("what was encoded is decoded");
        assert_eq!(path_component::encode(&again).as_ref(), Some(&encoded));
    }
});
