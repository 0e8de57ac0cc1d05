"""Sends requests made from the description of the API to a running service, and exits non-zero when an answer
is an internal error or is not described. Run it by `make fuzz-api`.

Schemathesis makes the requests: from the bounds of each field, beyond them, and at random. It calls once with the
token of an organisation's admin and once with an operator's.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

from posthorn_dev import DemoError, PosthornDev  # noqa: E402

ADMIN_API = "/api/v2/admin"
LOG_TIMEOUT_S = 30
# What is looked at of each answer. That right requests are accepted is not: no schema says which names resolve.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
]
# A limit would answer most requests.
SETTINGS = {"POSTHORN_API_RATE_PER_TOKEN": "0", "POSTHORN_API_RATE_PER_ORGANISATION": "0"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posthorn", required=True, help="path of the posthorn binary")
    parser.add_argument("--seconds", type=int, default=120, help="how long requests are made")
    parser.add_argument("--seed", type=int, default=1, help="makes the same requests again")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="posthorn-fuzz-") as folder:
        posthorn = PosthornDev(arguments.posthorn, folder, SETTINGS)
        try:
            posthorn.wait_until_ready()
            admin = token(posthorn, "fuzz", "admin")
            something_to_find(posthorn, admin)
            wrong = fuzz(posthorn, admin, arguments.seconds * 2 // 3, arguments.seed, folder)
            wrong |= fuzz(posthorn, posthorn.operator_token, arguments.seconds // 3, arguments.seed, folder)
            if posthorn.call("GET", "/ready", admin)[0] != 200:
                raise DemoError("the service is not ready any more")
        except DemoError as error:
            print(f"{error}\n{posthorn.last_output()}", file=sys.stderr)
            wrong = True
        finally:
            posthorn.kill()
    sys.exit(1 if wrong else 0)


def token(posthorn, organisation, role):
    wanted = {"organisationId": organisation, "role": role, "name": role}
    made = posthorn.expect(201, "POST", f"{ADMIN_API}/tokens", posthorn.operator_token, wanted)
    return made["token"]


def something_to_find(posthorn, admin):
    """Makes a config, a log record, a delivery and a dead letter, so that lists are not empty."""
    # Nothing listens on the port.
    config = {"url": "http://127.0.0.1:1/", "events": ["*"], "maxRetries": 0}
    posthorn.expect(200, "PUT", f"{ADMIN_API}/webhooks/configs", admin, [config])
    posthorn.expect(202, "POST", "/api/v2/events", admin, {"eventSubCategory": "reward-claim"})
    deadline = time.monotonic() + LOG_TIMEOUT_S
    while time.monotonic() < deadline:
        letters = posthorn.expect(200, "GET", f"{ADMIN_API}/webhooks/dead-letters", admin)
        logs = posthorn.expect(200, "GET", f"{ADMIN_API}/webhooks/logs", admin)
        if letters["edges"] and logs["edges"]:
            return
        time.sleep(0.1)
    raise DemoError("no attempt is in the log")


def fuzz(posthorn, bearer, seconds, seed, folder):
    """Returns whether something is wrong."""
    command = [
        str(Path(sys.executable).parent / "st"),
        "run",
        f"{posthorn.address}/api/v2/openapi.json",
        "--header",
        f"authorization:Bearer {bearer}",
        "--checks",
        ",".join(CHECKS),
        "--phases",
        "examples,coverage,fuzzing",
        "--max-time",
        str(seconds),
        "--seed",
        str(seed),
        "--request-timeout",
        "15",
        "--continue-on-failure",
        "--warnings",
        "off",
        "--no-color",
    ]
    return subprocess.run(command, cwd=folder, check=False).returncode != 0


if __name__ == "__main__":
    main()
