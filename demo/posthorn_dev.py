"""`posthorn dev` as a process with a data directory of its own, and calls to its API."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
CALL_TIMEOUT_S = 10
POLL_S = 0.05
LAST_LINES = 40


class DemoError(Exception):
    """The demo cannot go on."""


class PosthornDev:
    """Started by the constructor; ready once `wait_until_ready` returns."""

    def __init__(self, binary, data_dir, settings=None):
        self._data_dir = Path(data_dir)
        self._output = self._data_dir / "output.txt"
        self.address = self.nats_url = self.operator_token = ""
        command = [binary, "dev", "--listen", f"127.0.0.1:{_free_port()}"]
        command += ["--data-dir", str(self._data_dir / "state")]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=_environment() | (settings or {}),
                stdout=output,
                stderr=subprocess.STDOUT,
                # A process group of its own, so that nothing is left behind, its broker included.
                start_new_session=True,
            )

    def wait_until_ready(self):
        """Reads what `dev` wrote about itself and asks /ready until it says 200."""
        deadline = time.monotonic() + START_TIMEOUT_S
        described = self._data_dir / "state" / "dev.json"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise DemoError(f"posthorn dev ended at start\n{self.last_output()}")
            if not self.address:
                self._read(described)
            if self.address and self._is_ready():
                return
            time.sleep(POLL_S)
        raise DemoError(f"posthorn dev is not ready after {START_TIMEOUT_S} s\n{self.last_output()}")

    def call(self, method, path, token, body=None):
        """Returns the status and the JSON answer; `body` may be bytes, which are sent as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, method=method)
        request.add_header("content-type", "application/json")
        request.add_header("x-api-token", token)
        try:
            with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as answer:
            return answer.code, _json_or_text(answer.read())

    def expect(self, status, method, path, token, body=None):
        """As `call`, for answers without which the demo cannot go on."""
        got, answer = self.call(method, path, token, body)
        if got != status:
            raise DemoError(f"{method} {path} answered {got}, not {status}: {answer}")
        return answer

    def stop(self):
        """Sends SIGTERM and returns the exit code, or None when the drain takes too long."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        """Ends the process however the demo ended."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_output(self):
        lines = self._output.read_text(errors="replace").splitlines()
        return "\n".join(f"  | {line}" for line in lines[-LAST_LINES:])

    def _read(self, described):
        try:
            description = json.loads(described.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        self.address = description["address"]
        self.nats_url = description["nats_url"]
        self.operator_token = description["operator_token"]

    def _is_ready(self):
        try:
            with urllib.request.urlopen(self.address + "/ready", timeout=1) as response:
                return response.status == 200
        except OSError:
            return False


def _environment():
    """The caller's environment without its own Posthorn settings, but with the broker's binary."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("POSTHORN_") or name == "POSTHORN_NATS_SERVER"
    }


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _json_or_text(body):
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        return body.decode(errors="replace")
