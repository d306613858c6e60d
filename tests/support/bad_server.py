"""A server on this machine that delivers files, and misbehaves when it is told to."""

import contextlib
import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Answers with ``files[path]``, and misbehaves as ``manner`` says."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.manner, self.requests, self.stop = files, "", [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the test."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Nothing on the screen."""

    def drip(self, data):
        for byte in data:
            if self.server.stop.wait(0.2):
                return
            self.wfile.write(bytes([byte]))

    def do_GET(self):
        manner, data = self.server.manner, self.server.files.get(self.path.lstrip("/"))
        self.server.requests.append(self.path)
        if manner == "hangs":
            self.server.stop.wait(20)
            return
        if data is None or manner == "404":
            self.send_error(404)
            return
        if manner == "drips its headers":
            self.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + bytes(100))
            return
        self.send_response(200)
        if manner == "drips a chunk's size":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.drip(b"0" * 100)
            return
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if manner == "drips":
            self.drip(data)
        elif manner == "cuts off":
            self.wfile.write(data[: len(data) // 2])
        elif manner == "wrong bytes":
            self.wfile.write(bytes(len(data)))
        else:
            self.wfile.write(data)


@contextlib.contextmanager
def serving(files):
    """A server that runs as long as the block."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()
