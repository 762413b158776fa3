//! Bytes that many clients ask for: made once, compressed once, and shared by all responses.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::sync::OnceLock;

/// Bytes with their compressed form.
pub struct Packed {
    pub plain: Bytes,
    compression: Compression,
    gzip: OnceLock<Bytes>,
}

impl Packed {
    /// Bytes that soon change: they are compressed fast.
    pub fn for_a_moment(plain: Vec<u8>) -> Self {
        Self { plain: plain.into(), compression: Compression::fast(), gzip: OnceLock::new() }
    }

    /// Bytes that stay: they are compressed well.
    pub fn for_long(plain: Vec<u8>) -> Self {
        Self { plain: plain.into(), compression: Compression::default(), gzip: OnceLock::new() }
    }

    /// The bytes as gzip, compressed for the first caller.
    pub fn gzip(&self) -> Bytes {
        let packed = || {
            let mut encoder = GzEncoder::new(Vec::new(), self.compression);
            // Writing to a vector can't fail.
            let _ = encoder.write_all(&self.plain);
            Bytes::from(encoder.finish().unwrap_or_default())
        };
        self.gzip.get_or_init(packed).clone()
    }
}
