//! Sessions that read in one place and write in another, against real servers (see `split/`).
//!
//! The model: the same script on one database that has the tables of both places. `STATE_SCRIPTS`
//! and `STATE_SEED` as for `state`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "split/aligned.rs"]
mod aligned;
#[path = "split/alike.rs"]
mod alike;
#[path = "split/carried.rs"]
mod carried;
#[path = "split/copying.rs"]
mod copying;
#[path = "split/cuts.rs"]
mod cuts;
#[path = "split/declared.rs"]
mod declared;
#[path = "split/equal.rs"]
mod equal;
#[path = "split/explained.rs"]
mod explained;
#[path = "split/failing.rs"]
mod failing;
#[path = "split/generator.rs"]
mod generator;
#[path = "split/implicit.rs"]
mod implicit;
#[path = "state/item.rs"]
mod item;
#[path = "split/lagging.rs"]
mod lagging;
#[path = "split/law.rs"]
mod law;
#[path = "split/lost.rs"]
mod lost;
#[path = "split/majors.rs"]
mod majors;
#[path = "split/moved.rs"]
mod moved;
#[path = "split/moving.rs"]
mod moving;
#[path = "split/names.rs"]
mod names;
#[path = "split/notified.rs"]
mod notified;
#[path = "split/opening.rs"]
mod opening;
#[path = "split/patient.rs"]
mod patient;
#[path = "split/places.rs"]
mod places;
#[path = "split/prepared.rs"]
mod prepared;
#[path = "state/random.rs"]
mod random;
#[path = "split/reloaded.rs"]
mod reloaded;
#[path = "split/scripts.rs"]
mod scripts;
#[path = "split/session.rs"]
mod session;
#[path = "split/severed.rs"]
mod severed;
#[path = "state/shrink.rs"]
mod shrink;
#[path = "split/standby.rs"]
mod standby;
#[path = "split/stays.rs"]
mod stays;
#[path = "split/tap.rs"]
mod tap;
#[path = "split/tapped.rs"]
mod tapped;
#[path = "split/temporary.rs"]
mod temporary;
#[path = "split/told.rs"]
mod told;
#[path = "split/trips.rs"]
mod trips;
#[path = "split/typed.rs"]
mod typed;
