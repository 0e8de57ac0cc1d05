"""What all journeys need: browsers of people who are signed in, and a producer of events."""

import json
import time
import urllib.request
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import expect

# How long anything may take that a person waits for; generous, for machines that are busy.
BOUND_MS = 30_000
expect.set_options(timeout=BOUND_MS)


class Desk:
    """An installation and the people who look at it."""

    def __init__(self, browser, given):
        self.browser = browser
        self.given = given
        self.url = given["url"].rstrip("/")
        self.base = f"{self.url}/panel/o/{given['organisation']}"

    @contextmanager
    def visitor(self, role=None, **options):
        """Opens a browser window of its own, signed in with a role's token. Whatever its pages ask of another host,
        and whatever their policy forbids them, is a failure."""
        context = self.browser.new_context(**options)
        context.set_default_timeout(BOUND_MS)
        faults = []
        host = urlsplit(self.url).netloc
        context.on("request", lambda request: None if urlsplit(request.url).netloc == host
                   else faults.append(f"asked another host: {request.url}"))
        page = context.new_page()
        page.on("console", lambda message: faults.append(f"console: {message.text}")
                if "Content Security Policy" in message.text else None)
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        if role:
            self.sign_in(page, role)
        yield page
        context.close()
        assert not faults, faults

    def sign_in(self, page, role):
        page.goto(f"{self.url}/panel/")
        page.get_by_label("API token").fill(self.given[role])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/panel/**")

    def go(self, page, path):
        """Opens a page of the organisation."""
        answer = page.goto(f"{self.base}{path}")
        return answer

    def send(self, name, event_id, **fields):
        """Sends an event as a producer does."""
        event = {"id": event_id, "eventSubCategory": name, "payload": {"n": 1}, **fields}
        self.ask("producer", f"{self.given['ingest']}/api/v2/events", event)

    def ask(self, role, url, body=None, method=None):
        """Asks an API with a role's token; returns its answer."""
        request = urllib.request.Request(
            url,
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-api-token": self.given[role], "content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def api(self, role, path, body=None, method=None):
        """Asks the Admin API about the organisation."""
        return self.ask(role, f"{self.url}/api/v2/admin{path}", body, method)


def eventually(what, look):
    """Waits until a look finds something, and returns it."""
    end = time.monotonic() + BOUND_MS / 1000
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {BOUND_MS} ms: {what}"
        time.sleep(0.1)
