//! What the legs send: passed on to the client, or kept from it, in the order it expects.

use bytes::{Buf, BytesMut};

use super::leg::{Kind, Leg, Owed, Pass};
use super::{Block, End, Split};
use crate::protocol::{Fields, HEADER_LENGTH, Header, backend, message};
use crate::split::Side;

/// A message that is read whole before it is passed on is at most this long, in bytes.
const WHOLE: usize = 16 * 1024 * 1024;

/// The first fields of an error, its severity among them, take less than this, in bytes.
const HEAD: usize = 1024;

impl Split {
    /// Deals with what a leg has sent so far.
    pub(super) fn digest(&mut self, side: Side) -> Result<(), End> {
        loop {
            let Some(leg) = self.legs[side as usize].as_mut() else { return Ok(()) };
            if leg.rest > 0 {
                let length = leg.rest.min(leg.input.len());
                if length == 0 {
                    return self.ended(side);
                }
                if leg.rest_goes {
                    self.out.extend_from_slice(&leg.input[..length]);
                }
                leg.input.advance(length);
                leg.rest -= length;
                leg.torn = leg.rest_goes && leg.rest > 0;
                if !leg.torn {
                    self.out.unsplit(std::mem::take(&mut self.aside));
                }
                continue;
            }
            let header = match Header::from_backend(&leg.input) {
                Ok(Some(header)) => header,
                Ok(None) => return self.ended(side),
                Err(error) => return Err(End::Broken(error.to_string())),
            };
            let length = header.message_length();
            if header.kind == backend::ERROR_RESPONSE && length > WHOLE {
                if leg.input.len() < HEAD {
                    return self.ended(side);
                }
                if is_last(&leg.input[..HEAD]) {
                    leg.closed = true;
                    return self.ended(side);
                }
                let goes = self.fails(side)? != Pass::Nothing;
                let leg = self.leg(side)?;
                leg.rest = length;
                leg.rest_goes = goes;
                continue;
            }
            let streams = matches!(
                header.kind,
                backend::DATA_ROW | backend::COPY_DATA | backend::FUNCTION_CALL_RESPONSE
            ) && leg.kept.is_none()
                || length > WHOLE;
            if streams {
                leg.rest = length;
                leg.rest_goes = leg
                    .owed
                    .front()
                    .is_some_and(|owed| matches!(owed.pass, Pass::Client | Pass::Unready(_)));
                continue;
            }
            if leg.input.len() < length {
                return self.ended(side);
            }
            let frame = leg.input.split_to(length);
            self.answer(side, header.kind, &frame)?;
        }
    }

    /// Nothing more can be dealt with: an error where nothing more will come either.
    pub(super) fn ended(&mut self, side: Side) -> Result<(), End> {
        if self.is_spared(side) { Ok(()) } else { self.is_there(side) }
    }

    /// The leg owes nothing while the other one is at work: that it has ended is not told before
    /// the client has the answer to what is under way, which may be a commit.
    fn is_spared(&self, side: Side) -> bool {
        let quiet = |side: Side| self.legs[side as usize].as_ref().is_none_or(Leg::is_quiet);
        quiet(side) && !quiet(side.other())
    }

    /// A leg has not ended.
    pub(super) fn is_there(&mut self, side: Side) -> Result<(), End> {
        let Some(leg) = &mut self.legs[side as usize] else { return Ok(()) };
        if leg.closed && std::mem::take(&mut self.committed) {
            let status = self.block.status();
            message::ready_for_query(self.aside(), status);
        }
        let Some(leg) = &mut self.legs[side as usize] else { return Ok(()) };
        if let Some(farewell) = leg.farewell.take() {
            self.aside().extend_from_slice(&farewell);
            return Err(End::Told);
        }
        if leg.closed { Err(End::Lost(side)) } else { Ok(()) }
    }

    /// Where that goes which belongs to no answer: not into a message that the client has in part.
    pub(super) fn aside(&mut self) -> &mut BytesMut {
        match self.is_torn() {
            true => &mut self.aside,
            false => &mut self.out,
        }
    }

    /// The client has got a part of a message.
    pub(super) fn is_torn(&self) -> bool {
        self.legs.iter().flatten().any(|leg| leg.torn)
    }

    fn answer(&mut self, side: Side, kind: u8, frame: &BytesMut) -> Result<(), End> {
        match kind {
            backend::NOTIFICATION_RESPONSE => match &mut self.apart {
                Some(apart) => apart[side as usize].extend_from_slice(frame),
                None if self.late.is_some() => self.notified.extend_from_slice(frame),
                None => self.aside().extend_from_slice(frame),
            },
            backend::PARAMETER_STATUS => self.report(side, frame),
            backend::NOTICE_RESPONSE => {
                let leg = self.leg(side)?;
                let hidden = |owed: &Owed| matches!(owed.pass, Pass::Nothing | Pass::ErrorsAlone);
                let shown = !leg.owed.front().is_some_and(hidden);
                if shown {
                    self.aside().extend_from_slice(frame);
                }
            }
            backend::ERROR_RESPONSE => return self.error(side, frame),
            backend::READY_FOR_QUERY => self.ready(side)?,
            _ => {
                let holds = self.holding && kind == backend::COMMAND_COMPLETE;
                let leg = self.leg(side)?;
                let Some(front) = leg.owed.front() else {
                    return Err(End::Broken(format!("message type {kind} that nothing asked for")));
                };
                match front.pass {
                    Pass::Client | Pass::Unready(_) if !holds => self.out.extend_from_slice(frame),
                    Pass::Client | Pass::Unready(_) | Pass::Withheld => {
                        self.held.extend_from_slice(frame);
                    }
                    _ => {}
                }
                let leg = self.leg(side)?;
                if let Some(kept) = leg.kept.as_mut().filter(|_| kind == backend::DATA_ROW) {
                    kept.extend_from_slice(frame);
                }
                leg.copy_in |= kind == backend::COPY_IN_RESPONSE;
                if leg.owed.len() == 1 {
                    leg.suspended |= kind == backend::PORTAL_SUSPENDED;
                    leg.rolled_back |= kind == backend::COMMAND_COMPLETE
                        && &frame[HEADER_LENGTH..] == b"ROLLBACK\0";
                }
                if leg.owed.front().is_some_and(|owed| ends(owed.kind, kind)) {
                    leg.answered(kind, &frame[HEADER_LENGTH..]);
                }
                while let Some(&Owed { kind: Kind::Begin(tag), .. }) = self.leg(side)?.owed.front()
                {
                    self.leg(side)?.owed.pop_front();
                    self.complete(tag);
                }
            }
        }
        Ok(())
    }

    fn ready(&mut self, side: Side) -> Result<(), End> {
        let leg = self.leg(side)?;
        leg.copy_in = false;
        while let Some(owed) = leg.owed.pop_front() {
            if owed.kind.is_boundary() {
                if owed.pass == Pass::Client {
                    self.ready_for_query();
                }
                break;
            }
        }
        Ok(())
    }

    fn error(&mut self, side: Side, frame: &BytesMut) -> Result<(), End> {
        if is_last(frame) {
            self.leg(side)?.farewell = Some(frame.clone());
            self.leg(side)?.closed = true;
            return self.ended(side);
        }
        match self.fails(side)? {
            Pass::Nothing => self.leg(side)?.unsaid = Some(frame.clone()),
            Pass::Unready(shift) if shift > 0 => shifted(&mut self.out, frame, i64::from(shift)),
            _ => self.out.extend_from_slice(frame),
        }
        Ok(())
    }

    /// An error has come: what is owed behind it, and the block, fail. Gives what the client gets.
    fn fails(&mut self, side: Side) -> Result<Pass, End> {
        let leg = self.leg(side)?;
        leg.copy_in = false;
        let Some(front) = leg.owed.front() else { return Ok(Pass::Client) };
        let (kind, pass) = (front.kind, front.pass);
        let mut undone = Vec::new();
        if kind != Kind::Query {
            // the server skips to the Sync
            while leg.owed.front().is_some_and(|owed| !owed.kind.is_boundary()) {
                undone.extend(leg.owed.pop_front());
            }
            leg.skipping = leg.owed.is_empty();
            leg.has_own |= undone.iter().any(|owed| owed.kind == Kind::Close);
        }
        // what stands behind the next ReadyForQuery has not failed with it
        leg.failed |= leg.owed.len() <= 1;
        let skipping = leg.skipping;
        if undone.iter().any(|owed| matches!(owed.kind, Kind::Begin(_))) {
            // the pipeline failed before it
            self.over(false)?;
        }
        self.undo(side, undone);
        if pass != Pass::Nothing {
            self.pipeline_failed |= skipping;
            if matches!(self.block, Block::Open(_)) {
                self.fail(Some(side));
            }
        }
        Ok(pass)
    }

    /// Names that messages would have given a meaning keep the one they had; where a later message
    /// has given one meanwhile, that is what it takes the place of.
    fn undo(&mut self, side: Side, undone: Vec<Owed>) {
        for (index, owed) in undone.into_iter().enumerate().rev() {
            let Some(named) = owed.named else { continue };
            // a Parse that fails leaves no unnamed statement; one that is skipped does
            let gone = index == 0 && owed.kind == Kind::Parse && named.name.is_empty();
            let before = named.before.filter(|_| !gone);
            let leg = self.legs[side as usize].as_mut();
            let mut behind = leg.into_iter().flat_map(|leg| &mut leg.owed);
            let later = behind.find_map(|owed| {
                owed.named
                    .as_mut()
                    .filter(|it| (it.portal, &it.name) == (named.portal, &named.name))
            });
            match later {
                Some(later) => later.before = before,
                None => self.names(named.portal).restore(&named.name, before),
            }
        }
    }

    /// ParameterStatus: what governs transactions is the write leg's to tell, the rest the read
    /// leg's, as far as it is there.
    fn report(&mut self, side: Side, frame: &BytesMut) {
        let body = &frame[HEADER_LENGTH..];
        let Some(end) = memchr::memchr(0, body) else { return };
        let (name, value) = (&body[..end], &body[end + 1..]);
        let teller = self.teller(name);
        if teller == side {
            self.tell(name, value.strip_suffix(b"\0").unwrap_or(value));
        }
    }

    /// The leg whose report of a parameter counts.
    pub(super) fn teller(&self, name: &[u8]) -> Side {
        let of_transactions: [&[u8]; 2] = [b"default_transaction_read_only", b"in_hot_standby"];
        let wanted = match of_transactions.contains(&name) {
            true => Side::Write,
            false => Side::Read,
        };
        match &self.legs[wanted as usize] {
            Some(_) => wanted,
            None => wanted.other(),
        }
    }

    /// Tells the client what has waited.
    pub(super) fn tell_late(&mut self) {
        let notified = std::mem::take(&mut self.notified);
        self.aside().unsplit(notified);
        for (name, value) in self.late.take().unwrap_or_default() {
            self.tell(&name, &value);
        }
    }

    /// Tells the client a parameter's value, unless it knows.
    pub(super) fn tell(&mut self, name: &[u8], value: &[u8]) {
        if let Some(late) = &mut self.late {
            late.insert(name.into(), value.into());
            return;
        }
        if self.told.get(name).is_some_and(|told| **told == *value) {
            return;
        }
        self.told.insert(name.into(), value.into());
        message::parameter_status(self.aside(), &String::from_utf8_lossy(name), value);
    }

    pub(super) fn leg(&mut self, side: Side) -> Result<&mut Leg, End> {
        self.legs[side as usize]
            .as_mut()
            .ok_or_else(|| End::Broken(format!("the {} is not open", side.as_str())))
    }
}

/// Whether a backend message ends the answer to a request.
fn ends(kind: Kind, message: u8) -> bool {
    match kind {
        Kind::Query | Kind::Sync | Kind::Begin(_) => false,
        Kind::Parse => message == backend::PARSE_COMPLETE,
        Kind::Bind => message == backend::BIND_COMPLETE,
        Kind::Describe => matches!(message, backend::ROW_DESCRIPTION | backend::NO_DATA),
        Kind::Close => message == backend::CLOSE_COMPLETE,
        Kind::Execute => matches!(
            message,
            backend::COMMAND_COMPLETE | backend::EMPTY_QUERY_RESPONSE | backend::PORTAL_SUSPENDED
        ),
    }
}

/// Whether an error, of which this is the beginning, ends the session.
fn is_last(frame: &[u8]) -> bool {
    Fields::new(&frame[HEADER_LENGTH..]).is_last()
}

/// An error with its position moved: the server saw a part of the text, or more than that.
pub(super) fn shifted(out: &mut BytesMut, frame: &[u8], shift: i64) {
    message::frame(out, backend::ERROR_RESPONSE, |out| {
        let mut body = &frame[HEADER_LENGTH..];
        while let Some((&letter, rest)) = body.split_first() {
            if letter == 0 {
                break;
            }
            let end = memchr::memchr(0, rest).unwrap_or(rest.len());
            let value = &rest[..end];
            out.extend_from_slice(&[letter]);
            let position =
                std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
            match position.filter(|_| letter == b'P') {
                Some(position) => {
                    message::put_cstring(out, (position + shift).to_string().as_bytes());
                }
                None => message::put_cstring(out, value),
            }
            body = rest.get(end + 1..).unwrap_or_default();
        }
        out.extend_from_slice(&[0]);
    });
}
