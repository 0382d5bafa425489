//! What the server reports of itself (ParameterStatus), and what is set again when it was reset.

use bytes::{BufMut, Bytes, BytesMut};

use super::backend::Heard;
use super::owed::{Owed, Own};
use super::{Encoding, Fence, Gate};
use crate::policy::{Denial, Rule};
use crate::protocol::{body, frame, message};

impl Gate {
    pub(super) fn parameter_status(&mut self, bytes: &[u8]) -> Heard {
        let parsed = body::cstring(bytes).and_then(|(name, rest)| {
            let (value, _) = body::cstring(rest)?;
            Some((std::str::from_utf8(name).ok()?, String::from_utf8_lossy(value)))
        });
        let Some((name, value)) = parsed else { return Heard::Pass };
        self.report(name, &value);
        let restoring = matches!(self.fence, Fence::Up { restore: true });
        if self.policy.guarded
            && !restoring
            && name == "default_transaction_read_only"
            && value != "on"
        {
            let denial = Denial::new(
                Rule::ReplicaReadOnly,
                format!(
                    "session ended: the read-only default of upstream \"{}\" was turned off",
                    self.policy.upstream
                ),
                "something in this session (a routine, perhaps) turned it off; connect again",
            );
            return Heard::Fatal(Box::new(denial));
        }
        Heard::Pass
    }

    pub(super) fn report(&mut self, name: &str, value: &str) {
        match name {
            "standard_conforming_strings" => {
                self.reports.standard_conforming_strings = value == "on";
            }
            "client_encoding" => {
                self.reports.client_encoding =
                    if crate::policy::unsafe_lexing(name, value).is_some() {
                        Encoding::Unsafe
                    } else if value == "UTF8" {
                        Encoding::Utf8
                    } else {
                        Encoding::Safe
                    };
                self.reports.always_utf8 &= self.reports.client_encoding == Encoding::Utf8;
            }
            "application_name" => self.application_name = Some(value.into()),
            "search_path" if value.to_ascii_lowercase().contains("pg_temp") => {
                self.temporary.doubt_search_path();
            }
            _ => {}
        }
    }

    // -- the proxy's own statements -----------------------------------------------------------

    /// Sets tags and guard again after RESET ALL or DISCARD ALL, where they were set with SET.
    pub(super) fn restoring_query(&mut self) -> Bytes {
        let policy = &self.policy;
        let mut text = String::new();
        let declaration = policy.declaration;
        let values = [
            policy.upstream.as_str(),
            declaration.authority.as_str(),
            declaration.role.as_str(),
            declaration.environment.as_str(),
        ];
        for (tag, value) in crate::contract::parameter::TAGS.iter().zip(values) {
            text += &format!("SET {tag} = '{}'; ", value.replace('\'', "''"));
        }
        if let Some(task) = self.state.parameters.task.get() {
            text += &format!("SET authority.task = '{}'; ", task.replace('\'', "''"));
        }
        if policy.guarded {
            text += "SET default_transaction_read_only = on";
        }
        let mut out = BytesMut::new();
        message::frame(&mut out, frame::frontend::QUERY, |body| {
            body.put_slice(text.as_bytes());
            body.put_u8(0);
        });
        self.owe_boundary(Owed::Own(Own::Restore));
        out.freeze()
    }
}
