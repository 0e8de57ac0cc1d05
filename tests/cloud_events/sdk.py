"""CloudEvents by the official SDK, for tests: `sdk.py make` prints messages, `sdk.py read` says what messages hold.

Messages are JSON, `{"headers": {…}, "body": "<base64>"}`; `make` adds the event that each one holds.
"""

import base64
import json
import sys
from datetime import datetime, timedelta, timezone

from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_http_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent

TIME = datetime(2026, 3, 14, 10, 21, 45, 102000, timezone(timedelta(hours=2)))
# Data of each kind, with attributes that must be encoded to stand in a header.
EVENTS = {
    "json": ({"amount": 12.5, "name": "Zoë", "items": [1, None]}, {"datacontenttype": "application/json"}),
    "text": ("Grüße", {"datacontenttype": "text/plain; charset=utf-8", "subject": 'order "€ 😀" 100%'}),
    "bytes": (b"\x89PNG\xff\x00", {"datacontenttype": "image/png", "time": TIME, "comexample": "a b"}),
    "none": (None, {"dataschema": "https://a.example/schema", "partitionkey": "p-1"}),
}
MODES = {"structured": to_structured_event, "binary": to_binary_event}


def make():
    """Makes a message of every event in every mode."""
    messages = []
    for mode, write in MODES.items():
        for kind, (data, more) in EVENTS.items():
            attributes = {
                "type": f"order.{kind}",
                "source": "https://shop.example/orders?page=1",
                "id": f"{mode} {kind}",
                **more,
            }
            event = CloudEvent(attributes, data)
            message = write(event)
            body = base64.b64encode(message.body).decode()
            messages.append({"headers": message.headers, "body": body, "event": described(event)})
    return messages


def read(messages):
    """Says what each message holds."""
    return [
        described(from_http_event(HTTPMessage(message["headers"], base64.b64decode(message["body"]))))
        for message in messages
    ]


def described(event):
    """An event as JSON that is equal exactly if the event is."""
    attributes = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in event.get_attributes().items()
    }
    data = event.get_data()
    if isinstance(data, (bytes, bytearray)):
        return {"attributes": attributes, "bytes": base64.b64encode(data).decode()}
    return {"attributes": attributes, "data": data}


if __name__ == "__main__":
    json.dump(make() if sys.argv[1] == "make" else read(json.load(sys.stdin)), sys.stdout)
