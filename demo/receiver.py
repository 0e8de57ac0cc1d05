"""A small webhook receiver: keeps every request, verifies its signature, and fails when told to."""

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass
class Request:
    """One request as it came in, with what was answered."""

    arrived: float
    """Seconds on the monotonic clock."""
    path: str
    headers: dict
    body: bytes
    verified: bool
    status: int

    @property
    def event_id(self):
        return self.headers.get("webhook-id", "")


class Receiver:
    """Listens on a free loopback port until closed."""

    def __init__(self, secret):
        self._webhook = Webhook(secret)
        self._changed = threading.Condition()
        self._requests = []
        self._failures = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/nudj"

    def fail_once(self, event_id):
        """The next request for this event is answered with 500."""
        with self._changed:
            self._failures[event_id] = 1

    def wait_for(self, event_id, count, timeout_s):
        """Returns the requests for an event once there are `count`, or what there is after the time-out."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._of(event_id)) >= count, deadline - time.monotonic()
            )
            return self._of(event_id)

    def requests(self):
        with self._changed:
            return list(self._requests)

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _of(self, event_id):
        return [request for request in self._requests if request.event_id == event_id]

    def _keep(self, path, headers, body):
        try:
            self._webhook.verify(body, headers)
            verified = True
        except WebhookVerificationError:
            verified = False
        with self._changed:
            event_id = headers.get("webhook-id", "")
            fails = self._failures.get(event_id, 0) > 0
            if fails:
                self._failures[event_id] -= 1
            status = 500 if fails else 200 if verified else 401
            self._requests.append(
                Request(time.monotonic(), path, headers, body, verified, status)
            )
            self._changed.notify_all()
        return status

    def _handler(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._keep(self.path, headers, body)
                answer = b"OK" if status == 200 else b"no"
                self.send_response(status)
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format, *args):
                """The demo prints what matters itself."""

        return Handler
