"""A producer over plain NATS: one event published with a raw socket, the broker's PubAck read back."""

import json
import secrets
import socket
from urllib.parse import urlsplit

TIMEOUT_S = 10


def publish(nats_url, subject, body):
    """Publishes `body` and returns the PubAck, as every JetStream client library does underneath."""
    address = urlsplit(nats_url)
    inbox = f"_INBOX.{secrets.token_hex(8)}"
    options = {"verbose": False, "pedantic": False, "name": "demo"}
    with socket.create_connection((address.hostname, address.port), timeout=TIMEOUT_S) as connection:
        stream = connection.makefile("rb")
        greeting = stream.readline()
        if not greeting.startswith(b"INFO "):
            raise ConnectionError(f"{nats_url} is not a NATS server: {greeting!r}")
        connection.sendall(
            b"CONNECT %s\r\nSUB %s 1\r\nPUB %s %s %d\r\n%s\r\nPING\r\n"
            % (
                json.dumps(options).encode(),
                inbox.encode(),
                subject.encode(),
                inbox.encode(),
                len(body),
                body,
            )
        )
        return _read_ack(connection, stream)


def _read_ack(connection, stream):
    while line := stream.readline():
        if line.startswith(b"MSG "):
            size = int(line.split()[-1])
            ack = json.loads(stream.read(size))
            if "error" in ack:
                raise ConnectionError(f"the broker refused the event: {ack['error']}")
            return ack
        if line.startswith(b"PING"):
            connection.sendall(b"PONG\r\n")
        elif line.startswith(b"-ERR"):
            raise ConnectionError(f"the broker refused the event: {line.decode().strip()}")
    raise ConnectionError("the broker closed the connection before its PubAck")
