//! What a database entry says about confirming (contract §2) and `admin` statements (§4).

/// `confirm`: how a session may confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmHow {
    /// Startup packet, SET or literal `set_config`.
    Session,
    /// Startup packet only: no statement, and so no SQL injection, can confirm itself.
    Startup,
    /// Not at all.
    Never,
}

/// `admin`: what class `admin` meets on prod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminRule {
    /// Blocked.
    Block,
    /// As `ddl`: needs a confirmation.
    Confirm,
}
