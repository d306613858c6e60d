"""The link check, against a server on this machine."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from urllib3.util import Retry

import links


@pytest.fixture
def server():
    """Answers with the status that the path names; ``/busy`` stumbles once."""

    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status = (
                (503 if asked.count(self.path) == 1 else 200) if self.path == "/busy" else int(self.path[1:])
            )
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "verdict"),
    [("/200", ""), ("/200#part", ""), ("/busy", ""), ("/404", "status 404"), ("/403", "status 403")],
)
def test_check(server, monkeypatch, path, verdict):
    monkeypatch.setattr(links, "RETRY", Retry(total=2, status_forcelist=(503,), raise_on_status=False))
    assert links.check(server + path) == verdict


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(links, "RETRY", Retry(total=0))
    assert links.check("http://127.0.0.1:1/") == "ConnectionError"


def test_report(monkeypatch, capsys):
    answers = {
        "https://a.example/x": "",
        "https://b.example": "status 404",
        "https://c.example": "status 403",
    }
    monkeypatch.setattr(links, "addresses", lambda: {address: ["README.md"] for address in answers})
    monkeypatch.setattr(links, "check", answers.get)
    assert links.main() == 1
    said = capsys.readouterr().out
    assert "BROKEN  status 404: https://b.example in README.md" in said
    assert "unknown status 403: https://c.example" in said and "3 addresses, 1 broken" in said


def test_addresses():
    found = links.addresses()
    assert any(address.startswith("https://docs.pytorch.org/") for address in found)
    assert not any(links.refresh.slug() in address for address in found)
    assert all(address[-1] not in ".,)" for address in found)
