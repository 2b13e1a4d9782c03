//! A CONNECT proxy that lands every host on the simulator, for clients whose hosts cannot be changed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy on a free port, until the program ends.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: String,
    hosts: Arc<Mutex<Vec<String>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    refuses: Arc<AtomicBool>,
}

impl Proxy {
    /// Every tunnel leads to `target`.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self { address, hosts: Arc::default(), open: Arc::default(), refuses: Arc::default() };
        let accepting = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let proxy = accepting.clone();
                // A tunnel that breaks is the client's business.
                thread::spawn(move || drop(proxy.tunnel(client, target)));
            }
        });
        proxy
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Hosts that were asked for, as `host:port`.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap().clone()
    }

    /// Breaks the tunnels that there are, and makes no more.
    pub(crate) fn refuse(&self) {
        self.refuses.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Makes tunnels again.
    pub(crate) fn accept(&self) {
        self.refuses.store(false, Ordering::SeqCst);
    }

    fn tunnel(&self, mut client: TcpStream, target: SocketAddr) -> std::io::Result<()> {
        // Unbuffered beyond the head: what follows it belongs to the tunnel.
        let mut head = BufReader::with_capacity(1, client.try_clone()?);
        let (mut asked, mut line) = (String::new(), String::new());
        head.read_line(&mut asked)?;
        while head.read_line(&mut line)? > 0 && line.trim() != "" {
            line.clear();
        }
        if self.refuses.load(Ordering::SeqCst) {
            return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
        }
        let host = asked.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        self.hosts.lock().unwrap().push(host.to_owned());
        let mut server = TcpStream::connect(target)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.open.lock().unwrap().push(stream.try_clone()?);
        }
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let up = thread::spawn(move || copy(&mut from_client, &mut to_server));
        let down = copy(&mut server, &mut client);
        // It has ended with the other direction.
        drop(up.join());
        down
    }
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
