//! Random bytes for keys, salts and nonces.

use std::io;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a nonce before base64, as PostgreSQL's `SCRAM_RAW_NONCE_LEN`.
const RAW_NONCE_LENGTH: usize = 18;

/// Random bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("no random bytes to be had"))?;
    Ok(bytes)
}

/// One side's part of a SCRAM nonce.
pub fn scram_nonce() -> io::Result<String> {
    Ok(STANDARD.encode(random_bytes::<RAW_NONCE_LENGTH>()?))
}
