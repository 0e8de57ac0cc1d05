"""Shows an event becoming signed, retried, logged webhooks, and exits non-zero if any part is missing.

Starts `posthorn dev` and a receiver, registers an endpoint, sends one event over HTTP and one over
NATS, lets the receiver fail once, and reads the log records. Run it by `make demo`.
"""

import argparse
import base64
import json
import secrets
import sys
import tempfile
import time
from datetime import datetime, timezone

import nats_producer
from posthorn_dev import DemoError, PosthornDev
from receiver import Receiver

ORGANISATION = "60f7b8c8e7d4a2b1c9e3f4a1"
EVENT = "challenge-completion"
CONFIGS = "/api/v2/admin/webhooks/configs"
LOGS = "/api/v2/admin/webhooks/logs"
TOKENS = "/api/v2/admin/tokens"
EVENTS = "/api/v2/events"

ARRIVAL_TIMEOUT_S = 15
RETRY_TIMEOUT_S = 30
LOG_TIMEOUT_S = 20
# The default policy waits 5 s before its first retry; the margin is for coarse timers.
RETRY_DELAY_AT_LEAST_S = 4.5


class Checks:
    """Collects what is missing, so that one run names everything."""

    def __init__(self):
        self.missing = []

    def that(self, holds, what):
        print(f"   {'ok     ' if holds else 'MISSING'} {what}")
        if not holds:
            self.missing.append(what)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posthorn", required=True, help="path of the posthorn binary")
    binary = parser.parse_args().posthorn

    checks = Checks()
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    receiver = Receiver(secret)
    with tempfile.TemporaryDirectory(prefix="posthorn-demo-") as folder:
        posthorn = PosthornDev(binary, folder)
        try:
            run(posthorn, receiver, secret, checks)
        except (DemoError, OSError, KeyError, ValueError) as error:
            checks.missing.append(f"{type(error).__name__}: {error}")
        finally:
            posthorn.kill()
            receiver.close()
        if checks.missing:
            print("\nThe demo is not complete. Missing:", file=sys.stderr)
            for what in checks.missing:
                print(f"  - {what}", file=sys.stderr)
            print(f"\nLast lines of posthorn dev:\n{posthorn.last_output()}", file=sys.stderr)
            return 1
    print("\nAll of it was seen.")
    return 0


def run(posthorn, receiver, secret, checks):
    heading("Start posthorn dev")
    posthorn.wait_until_ready()
    print(f"   ready at {posthorn.address}, broker at {posthorn.nats_url}")

    heading("Register an endpoint")
    admin = make_token(posthorn, "admin")
    producer = make_token(posthorn, "producer")
    configs = posthorn.expect(200, "PUT", CONFIGS, admin, [config(receiver.url, secret)])
    print(f"   {configs[0]['id']}  {configs[0]['url']}  {', '.join(configs[0]['events'])}")
    checks.that(secret not in json.dumps(configs), "the given secret is not shown again")

    heading(f"Send {EVENT} over HTTP")
    over_http = event("http")
    send(posthorn, producer, over_http, checks)
    show_delivery(receiver, over_http, checks)

    heading(f"Send {EVENT} over NATS")
    over_nats = event("nats")
    subject = f"posthorn.events.{ORGANISATION}.{EVENT}"
    ack = nats_producer.publish(posthorn.nats_url, subject, encode(over_nats))
    print(f"   stored as number {ack['seq']} of stream {ack['stream']}")
    show_delivery(receiver, over_nats, checks)

    heading("Send one more; the receiver answers 500 once")
    retried = event("retried")
    receiver.fail_once(retried["id"])
    send(posthorn, producer, retried, checks)
    show_retry(receiver, retried, checks)

    heading("Read the log records")
    expected = {
        (over_http["id"], 1, 200),
        (over_nats["id"], 1, 200),
        (retried["id"], 1, 500),
        (retried["id"], 2, 200),
    }
    show_logs(posthorn, admin, secret, expected, checks)
    checks.that(len(receiver.requests()) == len(expected), "the receiver saw no other request")

    heading("Stop posthorn dev with SIGTERM")
    checks.that(posthorn.stop() == 0, "exit code 0")


def make_token(posthorn, role):
    wish = {"organisationId": ORGANISATION, "role": role, "name": f"demo {role}"}
    return posthorn.expect(201, "POST", TOKENS, posthorn.operator_token, wish)["token"]


def config(url, secret):
    return {
        "events": ["challenge-completion", "achievement-completion", "reward-claim"],
        "url": url,
        "httpMethod": "POST",
        "isEnabled": True,
        "maxRetries": 3,
        "headers": {
            "Authorization": "Bearer your-webhook-secret",
            "X-Webhook-Source": "nudj-platform",
        },
        "secret": secret,
    }


def event(how):
    now = datetime.now(timezone.utc)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": f"test-webhook-{how}-{int(now.timestamp() * 1000)}",
        "eventCategory": "challenge",
        "eventSubCategory": EVENT,
        "organisationId": ORGANISATION,
        "communityId": "60f7b8c8e7d4a2b1c9e3f4a2",
        "userId": "60f7b8c8e7d4a2b1c9e3f4a3",
        "eventSourceId": "60f7b8c8e7d4a2b1c9e3f4a4",
        "payload": {
            "challengeId": "60f7b8c8e7d4a2b1c9e3f4a4",
            "challengeName": "Test Challenge",
            "completedAt": stamp,
            "timeToComplete": 1800,
            "pointsEarned": 100,
            "xpEarned": 50,
        },
        "createdAt": stamp,
    }


def encode(sent):
    return json.dumps(sent).encode()


def send(posthorn, token, sent, checks):
    answer = posthorn.expect(202, "POST", EVENTS, token, encode(sent))
    accepted = [item["id"] for item in answer["accepted"]]
    checks.that(accepted == [sent["id"]], f"202, accepted {', '.join(accepted)}")


def show_delivery(receiver, sent, checks):
    requests = receiver.wait_for(sent["id"], 1, ARRIVAL_TIMEOUT_S)
    checks.that(len(requests) == 1, "the receiver got one request")
    for request in requests:
        show_request(request)
        check_request(request, sent, checks)


def show_retry(receiver, sent, checks):
    requests = receiver.wait_for(sent["id"], 2, RETRY_TIMEOUT_S)
    statuses = [request.status for request in requests]
    checks.that(statuses == [500, 200], f"answered with 500, then 200 (answered: {statuses})")
    for number, request in enumerate(requests, start=1):
        show_request(request)
        check_request(request, sent, checks)
        attempt = request.headers.get("x-posthorn-attempt")
        checks.that(attempt == str(number), f"it says that it is attempt {number}")
    if len(requests) == 2:
        waited = requests[1].arrived - requests[0].arrived
        checks.that(waited >= RETRY_DELAY_AT_LEAST_S, f"the retry came after {waited:.1f} s")


def show_request(request):
    print(f"   POST {request.path} <- {request.status}")
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature", "x-posthorn-attempt"):
        print(f"      {name}: {request.headers.get(name)}")
    print(f"      {request.body.decode(errors='replace')[:100]}...")


def check_request(request, sent, checks):
    checks.that(request.verified, "signature verified by the standardwebhooks library")
    checks.that(request.body == encode(sent), "the body is the producer's, byte for byte")
    configured = (request.headers.get("authorization"), request.headers.get("x-webhook-source"))
    checks.that(
        configured == ("Bearer your-webhook-secret", "nudj-platform"),
        "the configured headers came along",
    )


def show_logs(posthorn, admin, secret, expected, checks):
    page = wait_for_logs(posthorn, admin, len(expected))
    records = sorted(page["edges"], key=lambda record: record["createdAt"])
    print("   " + row("time", "event", "attempt", "status", "success", "ms"))
    for record in records:
        success = "yes" if record["success"] else "no"
        values = (record["createdAt"], record["eventId"], record["attempt"])
        print("   " + row(*values, record["responseStatus"], success, record["durationMs"]))

    found = {(r["eventId"], r["attempt"], r["responseStatus"]) for r in records}
    checks.that(found == expected, "one record for each request")
    checks.that(page["totalCount"] == len(expected), f"totalCount is {page['totalCount']}")
    failed = [record["errorMessage"] for record in records if not record["success"]]
    checks.that(failed == ["HTTP 500: Internal Server Error"], f"the failure reads {failed}")
    text = json.dumps(records)
    kept_quiet = secret not in text and "your-webhook-secret" not in text
    checks.that(kept_quiet, "no secret in any record")


def wait_for_logs(posthorn, admin, count):
    """The records are written in batches: asks until they are all there, or shows what there is."""
    deadline = time.monotonic() + LOG_TIMEOUT_S
    while True:
        page = posthorn.expect(200, "GET", f"{LOGS}?limit=100", admin)
        if page["totalCount"] >= count or time.monotonic() > deadline:
            return page
        time.sleep(0.1)


def row(at, event_id, attempt, status, success, ms):
    return f"{at!s:<26}{event_id!s:<38}{attempt!s:<9}{status!s:<8}{success!s:<9}{ms!s}"


def heading(text):
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
