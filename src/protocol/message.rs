//! The few messages that the proxy writes itself, appended to a buffer.
//!
//! They borrow what they write and cannot fail, which is why they are not a codec's owned
//! structures.

use bytes::{BufMut, BytesMut};

use super::frame::{backend, frontend};

/// A 32-bit protocol version as it stands in packets.
pub const fn protocol_version(major: u16, minor: u16) -> u32 {
    (major as u32) << 16 | minor as u32
}

/// Appends a message: the type, the length (worked out once `body` has run), the body.
pub fn frame(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    packet(out, body);
}

/// Appends a packet without a type, as clients send before authentication.
pub fn packet(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    body(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a text and its terminator. NUL bytes inside, which the protocol has no way to carry,
/// are left out.
pub fn put_cstring(out: &mut BytesMut, text: &[u8]) {
    for part in text.split(|&byte| byte == 0) {
        out.put_slice(part);
    }
    out.put_u8(0);
}

/// ParameterStatus.
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &[u8]) {
    frame(out, backend::PARAMETER_STATUS, |out| {
        put_cstring(out, name.as_bytes());
        put_cstring(out, value);
    });
}

/// BackendKeyData; the key is 4 bytes in protocol 3.0 and up to 256 since 3.2.
pub fn backend_key_data(out: &mut BytesMut, process_id: i32, key: &[u8]) {
    frame(out, backend::BACKEND_KEY_DATA, |out| {
        out.put_i32(process_id);
        out.put_slice(key);
    });
}

/// Flush.
pub const FLUSH: &[u8] = b"H\0\0\0\x04";
/// Sync.
pub const SYNC: &[u8] = b"S\0\0\0\x04";
/// Terminate.
pub const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// Query, in a buffer of its own.
pub fn query(text: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(text.len() + 6);
    frame(&mut out, frontend::QUERY, |out| put_cstring(out, text));
    out
}

/// Close, Parse, Bind and Execute of a statement without parameters, under one name: a statement of
/// the proxy's own, beside which a Query would drop the client's unnamed one.
pub fn run(out: &mut BytesMut, name: &[u8], text: &[u8]) {
    close(out, name);
    frame(out, frontend::PARSE, |out| {
        put_cstring(out, name);
        put_cstring(out, text);
        out.put_u16(0);
    });
    frame(out, frontend::BIND, |out| {
        put_cstring(out, name);
        put_cstring(out, name);
        out.put_slice(&[0; 6]);
    });
    frame(out, frontend::EXECUTE, |out| {
        put_cstring(out, name);
        out.put_u32(0);
    });
}

/// Close of portal and statement of a name, which is no error where there is none.
pub fn close(out: &mut BytesMut, name: &[u8]) {
    for what in [b'P', b'S'] {
        frame(out, frontend::CLOSE, |out| {
            out.put_u8(what);
            put_cstring(out, name);
        });
    }
}

/// Sync.
pub fn sync(out: &mut BytesMut) {
    out.put_slice(SYNC);
}

/// Flush.
pub fn flush(out: &mut BytesMut) {
    out.put_slice(FLUSH);
}

/// ReadyForQuery with a transaction status of `I`, `T` or `E`.
pub fn ready_for_query(out: &mut BytesMut, status: u8) {
    frame(out, backend::READY_FOR_QUERY, |out| out.put_u8(status));
}

/// NegotiateProtocolVersion: the newest version in use (whole, not the minor part alone, as
/// PostgreSQL sends it) and the `_pq_.` options that were not recognised.
pub fn negotiate_protocol_version(out: &mut BytesMut, version: u32, unrecognized: &[String]) {
    frame(out, backend::NEGOTIATE_PROTOCOL_VERSION, |out| {
        out.put_u32(version);
        out.put_u32(unrecognized.len() as u32);
        for name in unrecognized {
            put_cstring(out, name.as_bytes());
        }
    });
}

/// Codes of authentication requests, by PostgreSQL's names (`AUTH_REQ_*`).
pub mod auth {
    /// AuthenticationOk.
    pub const OK: u32 = 0;
    /// AuthenticationKerberosV5; no longer supported.
    pub const KRB5: u32 = 2;
    /// AuthenticationCleartextPassword.
    pub const PASSWORD: u32 = 3;
    /// AuthenticationMD5Password.
    pub const MD5: u32 = 5;
    /// AuthenticationGSS.
    pub const GSS: u32 = 7;
    /// AuthenticationGSSContinue.
    pub const GSS_CONT: u32 = 8;
    /// AuthenticationSSPI.
    pub const SSPI: u32 = 9;
    /// AuthenticationSASL.
    pub const SASL: u32 = 10;
    /// AuthenticationSASLContinue.
    pub const SASL_CONT: u32 = 11;
    /// AuthenticationSASLFinal.
    pub const SASL_FIN: u32 = 12;
}

/// An authentication request with this code (see [`auth`]) and data.
pub fn authentication(out: &mut BytesMut, code: u32, data: &[u8]) {
    frame(out, backend::AUTHENTICATION_REQUEST, |out| {
        out.put_u32(code);
        out.put_slice(data);
    });
}

/// AuthenticationOk.
pub fn authentication_ok(out: &mut BytesMut) {
    authentication(out, auth::OK, &[]);
}

/// AuthenticationCleartextPassword.
pub fn authentication_cleartext_password(out: &mut BytesMut) {
    authentication(out, auth::PASSWORD, &[]);
}

/// AuthenticationMD5Password.
pub fn authentication_md5_password(out: &mut BytesMut, salt: [u8; 4]) {
    authentication(out, auth::MD5, &salt);
}

/// AuthenticationSASL, offering these mechanisms in order of preference.
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    frame(out, backend::AUTHENTICATION_REQUEST, |out| {
        out.put_u32(auth::SASL);
        for mechanism in mechanisms {
            put_cstring(out, mechanism.as_bytes());
        }
        out.put_u8(0);
    });
}

/// PasswordMessage with a password, terminated.
pub fn password(out: &mut BytesMut, password: &[u8]) {
    frame(out, frontend::PASSWORD_MESSAGE, |out| put_cstring(out, password));
}

/// SASLInitialResponse: the mechanism chosen and its first message.
pub fn sasl_initial_response(out: &mut BytesMut, mechanism: &str, data: &[u8]) {
    frame(out, frontend::PASSWORD_MESSAGE, |out| {
        put_cstring(out, mechanism.as_bytes());
        out.put_u32(data.len() as u32);
        out.put_slice(data);
    });
}

/// SASLResponse.
pub fn sasl_response(out: &mut BytesMut, data: &[u8]) {
    frame(out, frontend::PASSWORD_MESSAGE, |out| out.put_slice(data));
}

/// A startup packet with these parameters, in order.
pub fn startup(out: &mut BytesMut, version: u32, parameters: &[(&[u8], &[u8])]) {
    packet(out, |out| {
        out.put_u32(version);
        for (name, value) in parameters {
            put_cstring(out, name);
            put_cstring(out, value);
        }
        out.put_u8(0);
    });
}

/// A CancelRequest packet.
pub fn cancel_request(out: &mut BytesMut, process_id: i32, key: &[u8]) {
    packet(out, |out| {
        out.put_u32(super::startup::CANCEL_REQUEST_CODE);
        out.put_i32(process_id);
        out.put_slice(key);
    });
}

/// An SSLRequest packet.
pub fn ssl_request(out: &mut BytesMut) {
    packet(out, |out| out.put_u32(super::startup::NEGOTIATE_SSL_CODE));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::from(&b"before"[..]);
        write(&mut out);
        assert_eq!(&out[..6], b"before");
        out[6..].to_vec()
    }

    #[test]
    fn messages_are_as_the_manual_draws_them() {
        assert_eq!(written(|out| ready_for_query(out, b'I')), b"Z\0\0\0\x05I");
        assert_eq!(written(|out| parameter_status(out, "a.b", b"on")), b"S\0\0\0\x0ba.b\0on\0");
        assert_eq!(
            written(|out| backend_key_data(out, 258, &[1, 2, 3, 4, 5])),
            b"K\0\0\0\x0d\0\0\x01\x02\x01\x02\x03\x04\x05"
        );
        assert_eq!(written(authentication_ok), b"R\0\0\0\x08\0\0\0\0");
        assert_eq!(
            written(|out| authentication_sasl(out, &["SCRAM-SHA-256"])),
            b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"
        );
        assert_eq!(
            written(|out| negotiate_protocol_version(
                out,
                protocol_version(3, 2),
                &["_pq_.x".to_owned()]
            )),
            b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0"
        );
        assert_eq!(written(ssl_request), b"\0\0\0\x08\x04\xd2\x16\x2f");
        assert_eq!(
            written(|out| cancel_request(out, 1, b"key!")),
            b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01key!"
        );
        assert_eq!(
            written(|out| startup(out, protocol_version(3, 0), &[(b"user", b"u")])),
            b"\0\0\0\x10\0\x03\0\0user\0u\0\0"
        );
        assert_eq!(written(|out| password(out, b"s\0x")), b"p\0\0\0\x07sx\0");
    }
}
