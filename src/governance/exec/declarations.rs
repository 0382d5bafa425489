//! What is added to a startup packet on its way to the proxy. Pure.

use bytes::{BufMut, Bytes, BytesMut};

use crate::contract::{Declaration, parameter};
use crate::protocol::message::{packet, put_cstring};
use crate::protocol::{ErrorResponse, MAX_STARTUP_PACKET_LENGTH, Startup};

/// What `exec` declares for the connections of its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarations {
    /// What the upstream must be: sent as `authority.expect_*`, so that the proxy refuses every
    /// connection that leads elsewhere, whatever database or task it names.
    pub declaration: Declaration,
    /// The database for which migrations are confirmed, where they are. A connection to another
    /// one was not asked about by the gate, and carries no confirmation.
    pub confirm_database: Option<String>,
    /// `authority.task`, where declared.
    pub task: Option<String>,
    /// `authority.ticket`, where given.
    pub ticket: Option<String>,
}

impl Declarations {
    /// The expectations, by parameter name.
    pub fn expectations(&self) -> [(&'static str, &'static str); 3] {
        [
            (parameter::EXPECT_AUTHORITY, self.declaration.authority.as_str()),
            (parameter::EXPECT_ROLE, self.declaration.role.as_str()),
            (parameter::EXPECT_ENV, self.declaration.environment.as_str()),
        ]
    }

    /// The parameters that a connection to `database` carries, the confirmation last.
    fn parameters(&self, database: &str) -> Vec<(&'static str, &str)> {
        let mut parameters: Vec<(&'static str, &str)> = self.expectations().into();
        parameters.extend(self.task.as_deref().map(|task| (parameter::TASK, task)));
        parameters.extend(self.ticket.as_deref().map(|ticket| (parameter::TICKET, ticket)));
        if self.confirm_database.as_deref() == Some(database) {
            parameters.push((parameter::CONFIRM, "true"));
        }
        parameters
    }

    /// The parameters for a look at the proxy: everything but the confirmation.
    pub fn probe_parameters(&self) -> Vec<(&'static str, &str)> {
        let mut parameters = self.parameters("");
        parameters.retain(|(name, _)| *name != parameter::CONFIRM);
        parameters
    }

    /// The startup packet with the declarations in it, length word included.
    ///
    /// `body` is the packet without its length word, and `startup` what it says. What the client
    /// says of itself stands (a task, a ticket, a confirmation given or withheld); an expectation
    /// of its own must agree with ours.
    ///
    /// # Errors
    /// What to tell the client: a contradicting expectation, or a packet that would be too long.
    pub fn amend(&self, body: &Bytes, startup: &Startup) -> Result<Bytes, Box<ErrorResponse>> {
        let mut amended = BytesMut::with_capacity(body.len() + 256);
        let terminator = body.len().saturating_sub(1);
        amended.put_slice(&body[..terminator]);
        let expectations = self.expectations();
        for (name, value) in self.parameters(&startup.database) {
            match startup.setting(name) {
                None => {
                    put_cstring(&mut amended, name.as_bytes());
                    put_cstring(&mut amended, value.as_bytes());
                }
                Some(theirs) => {
                    let expected = expectations.contains(&(name, value));
                    if expected && theirs.value != value.as_bytes() {
                        return Err(Box::new(contradiction(name, value, &theirs.text())));
                    }
                }
            }
        }
        amended.put_u8(0);
        if amended.len() > MAX_STARTUP_PACKET_LENGTH {
            let message =
                "the startup packet is too long with the declarations of pgauthority exec";
            let detail = format!("PostgreSQL takes {MAX_STARTUP_PACKET_LENGTH} bytes");
            return Err(Box::new(ErrorResponse::fatal("54000", message).with_detail(detail)));
        }
        let mut whole = BytesMut::with_capacity(amended.len() + 4);
        packet(&mut whole, |out| out.put_slice(&amended));
        Ok(whole.freeze())
    }
}

fn contradiction(name: &str, ours: &str, theirs: &str) -> ErrorResponse {
    ErrorResponse::fatal(
        "28000",
        format!("this connection sets {name} to \"{theirs}\", and pgauthority exec runs under \"{ours}\""),
    )
    .with_hint("declare the same in the environment and in the connection, or leave it to the environment")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Authority, Environment, Role};
    use crate::protocol::{InitialPacket, SettingOrigin, message};

    fn declarations() -> Declarations {
        Declarations {
            declaration: Declaration {
                authority: Authority::Neon,
                role: Role::Prod,
                environment: Environment::ProdLike,
            },
            confirm_database: Some("nova".to_owned()),
            task: None,
            ticket: Some("CHG-7".to_owned()),
        }
    }

    fn read(packet: &Bytes) -> Startup {
        match InitialPacket::parse(packet.slice(4..)).unwrap() {
            InitialPacket::Startup(startup) => *startup,
            other => panic!("{other:?}"),
        }
    }

    fn amended(parameters: &[(&[u8], &[u8])]) -> Result<Startup, Box<ErrorResponse>> {
        let mut packet = BytesMut::new();
        message::startup(&mut packet, 3 << 16 | 2, parameters);
        let packet = packet.freeze();
        let body = packet.slice(4..);
        declarations().amend(&body, &read(&packet)).map(|whole| {
            let length = u32::from_be_bytes(whole[..4].try_into().unwrap());
            assert_eq!(length as usize, whole.len());
            read(&whole)
        })
    }

    fn in_force(startup: &Startup, name: &str) -> Option<String> {
        startup.setting(name).map(|setting| setting.text().into_owned())
    }

    #[test]
    fn declarations_are_added_and_nothing_is_lost() {
        let startup = amended(&[
            (b"user", b"u"),
            (b"database", b"nova"),
            (b"application_name", b"alembic"),
            (b"_pq_.x", b"y"),
        ])
        .unwrap();
        assert_eq!(startup.protocol, (3, 2));
        assert_eq!(startup.unrecognized, ["_pq_.x"]);
        assert_eq!(in_force(&startup, "application_name").unwrap(), "alembic");
        assert_eq!(in_force(&startup, "authority.expect_authority").unwrap(), "neon");
        assert_eq!(in_force(&startup, "authority.expect_role").unwrap(), "prod");
        assert_eq!(in_force(&startup, "authority.expect_env").unwrap(), "prod-like");
        assert_eq!(in_force(&startup, "authority.ticket").unwrap(), "CHG-7");
        assert_eq!(in_force(&startup, "authority.task"), None);
        let confirm = startup.setting("authority.confirm_prod_migrations").unwrap();
        assert_eq!((confirm.text().as_ref(), confirm.origin), ("true", SettingOrigin::Parameter));
    }

    #[test]
    fn only_the_declared_database_is_confirmed() {
        let elsewhere = amended(&[(b"user", b"nova"), (b"database", b"other")]).unwrap();
        assert_eq!(in_force(&elsewhere, "authority.confirm_prod_migrations"), None);
        assert_eq!(in_force(&elsewhere, "authority.expect_role").unwrap(), "prod");
        let by_user = amended(&[(b"user", b"nova")]).unwrap();
        assert_eq!(in_force(&by_user, "authority.confirm_prod_migrations").unwrap(), "true");
    }

    #[test]
    fn what_a_client_says_of_itself_stands() {
        for options in [
            "-c Authority.Confirm_Prod_Migrations=false",
            "--authority.confirm-prod-migrations=false",
        ] {
            let startup = amended(&[
                (b"user", b"u"),
                (b"database", b"nova"),
                (b"options", options.as_bytes()),
                (b"authority.ticket", b"mine"),
            ])
            .unwrap();
            assert_eq!(in_force(&startup, "authority.confirm_prod_migrations").unwrap(), "false");
            assert_eq!(in_force(&startup, "authority.ticket").unwrap(), "mine");
        }
    }

    #[test]
    fn a_contradicting_expectation_is_refused() {
        let same = amended(&[(b"user", b"u"), (b"authority.expect_role", b"prod")]).unwrap();
        assert_eq!(in_force(&same, "authority.expect_role").unwrap(), "prod");
        for other in [
            (&b"authority.expect_role"[..], &b"staging"[..]),
            (b"options", b"-cAUTHORITY.expect_env=test"),
        ] {
            assert_eq!(amended(&[(b"user", b"u"), other]).unwrap_err().code, "28000");
        }
    }

    #[test]
    fn a_packet_that_grows_too_long_is_refused() {
        let long = vec![b'x'; 9_900];
        let refused = amended(&[(b"user", b"u"), (b"application_name", &long)]).unwrap_err();
        assert_eq!(refused.code, "54000");
    }

    #[test]
    fn a_look_confirms_nothing() {
        let declarations = Declarations { confirm_database: Some(String::new()), ..declarations() };
        let names: Vec<&str> =
            declarations.probe_parameters().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"authority.expect_role"));
        assert!(!names.contains(&"authority.confirm_prod_migrations"));
    }
}
