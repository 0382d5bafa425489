//! A proxy inside a command's own process: no signals, no reload, gone with the command.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::running::{self, Running};
use super::worker::Command;
use crate::audit::AuditLog;
use crate::config::{Config, ListenAddress};
use crate::observe::Metrics;

/// A proxy under way on threads of its own.
pub struct Embedded {
    running: Running,
    address: SocketAddr,
}

impl Embedded {
    /// Starts it; it serves when this returns. The kernel gives a port where that of the
    /// configuration's address is 0.
    ///
    /// # Errors
    /// The configuration names no TCP address, the address cannot be bound, or the audit log not
    /// be opened.
    pub fn start(config: Config) -> io::Result<Embedded> {
        let audit = AuditLog::open(&config.audit)?;
        let metrics = Metrics::new();
        let bounds = running::bind(&config)?;
        let address = bounds.iter().find_map(|bound| match bound.address() {
            ListenAddress::Tcp(address) => Some(*address),
            ListenAddress::Unix { .. } => None,
        });
        let address = address.ok_or_else(|| io::Error::other("no TCP address to listen on"))?;
        let running = Running::start(config, &bounds, audit, &metrics)?;
        wait_until_served(address)?;
        Ok(Embedded { running, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every session, and waits for the threads.
    ///
    /// # Errors
    /// A thread that ended otherwise than told.
    pub fn stop(self) -> io::Result<()> {
        let _ = self.running.commands.send(Command::Stop);
        self.running.join()
    }
}

/// The workers listen from threads of their own: the first one that does is enough.
fn wait_until_served(address: SocketAddr) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}
