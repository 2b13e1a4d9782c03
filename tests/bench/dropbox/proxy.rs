//! A CONNECT proxy that lands every host on the simulator, for rclone, whose hosts cannot be changed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Listens on a free port until the program ends; every tunnel leads to `target`. Returns its address.
pub(crate) fn start(target: SocketAddr) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A tunnel that breaks is the client's business.
            thread::spawn(move || drop(tunnel(client, target)));
        }
    });
    address
}

fn tunnel(mut client: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    // Unbuffered beyond the head: what follows it belongs to the tunnel.
    let mut head = BufReader::with_capacity(1, client.try_clone()?);
    let mut line = String::new();
    while head.read_line(&mut line)? > 0 && line.trim() != "" {
        line.clear();
    }
    let mut server = TcpStream::connect(target)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || copy(&mut from_client, &mut to_server));
    let down = copy(&mut server, &mut client);
    // It has ended with the other direction.
    drop(up.join());
    down
}

fn copy(from: &mut TcpStream, to: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.shutdown(Shutdown::Write),
            count => to.write_all(&buffer[..count])?,
        }
    }
}
