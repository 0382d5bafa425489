//! A stand-in for a pgauthority: passes everything to a real server, and announces tags as a
//! proxy does. It enforces nothing; what it is for is what `exec` makes of what is announced.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

/// Announces these tags in front of the server at `port`; gives its own port.
pub fn announce(port: u16, tags: &'static [(&'static str, &'static str)]) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            thread::spawn(move || {
                let other = client.try_clone();
                let _ = serve(client, port, tags);
                let _ = other.map(|client| client.shutdown(Shutdown::Both));
            });
        }
    });
    own
}

fn serve(mut client: TcpStream, port: u16, tags: &[(&str, &str)]) -> io::Result<()> {
    let mut packet = [0; 8];
    loop {
        client.read_exact(&mut packet[..8])?;
        if packet[4..8] != [4, 210, 22, 47] {
            break;
        }
        client.write_all(b"N")?;
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.write_all(&packet[..8])?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    loop {
        let mut header = [0; 5];
        server.read_exact(&mut header)?;
        let length = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize - 4;
        let mut body = vec![0; length];
        server.read_exact(&mut body)?;
        client.write_all(&[&header[..], &body].concat())?;
        if header[0] == b'R' && body == [0; 4] {
            break;
        }
    }
    for (name, value) in tags {
        let length = u32::try_from(name.len() + value.len() + 6).unwrap();
        let text = format!("{name}\0{value}\0");
        client.write_all(&[b"S", &length.to_be_bytes()[..], text.as_bytes()].concat())?;
    }
    io::copy(&mut server, &mut client).map(drop)
}
