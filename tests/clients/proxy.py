"""A CONNECT proxy that lands every host on the simulator, for clients whose hosts cannot be changed."""

import socket
import socketserver
import threading


class Proxy(socketserver.ThreadingTCPServer):
    """Listens on a free port; every tunnel leads to one address."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target):
        self.target = target
        super().__init__(("127.0.0.1", 0), _Tunnel)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.StreamRequestHandler):
    def handle(self):
        asked = self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        if not asked.startswith(b"CONNECT "):
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        with socket.create_connection(self.server.target) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join()


def _copy(source, sink):
    try:
        while data := source.recv(64 * 1024):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
