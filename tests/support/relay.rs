//! What stands between the proxy and a server, and changes what they say to each other.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use super::Cluster;

/// A relay that drops startup options, as Neon does; gives its port. It ends with the process.
pub fn without_options(cluster: &Cluster) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, server) = (listener.local_addr().unwrap().port(), cluster.port());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || pass(client, server));
        }
    });
    port
}

fn pass(mut client: TcpStream, server: u16) -> std::io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut body)?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    if body[..2] == [0, 3] {
        let mut kept = body[..4].to_vec();
        let mut words = body[4..].split(|byte| *byte == 0);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if !name.is_empty() && name != b"options" && !name.contains(&b'.') {
                [name, b"\0", value, b"\0"].iter().for_each(|part| kept.extend_from_slice(part));
            }
        }
        kept.push(0);
        body = kept;
    }
    server.write_all(&(body.len() as u32 + 4).to_be_bytes())?;
    server.write_all(&body)?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    std::io::copy(&mut client, &mut server)?;
    server.shutdown(Shutdown::Both)
}
