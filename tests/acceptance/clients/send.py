"""Segment's or RudderStack's client for Python: `send.py segment|rudder ADDRESS WRITE_KEY`, and then as `send.cjs`."""

import json
import logging
import sys
from datetime import datetime
from typing import Any

from rudderstack.analytics.client import Client as Rudder
from segment.analytics.client import Client as Segment

NAMES = {  # as the messages have them, and as the clients' arguments are called
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "groupId": "group_id",
    "previousId": "previous_id",
    "messageId": "message_id",
}


def main() -> None:
    kind, address, write_key = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    failures: list[str] = []
    options: dict[str, Any] = {
        "host": address,
        "upload_interval": 0.1,
        "upload_size": 20,
        "max_retries": 60,
        "gzip": True,
        "on_error": lambda error, _: failures.append(repr(error)),
    }
    client = (Segment if kind == "segment" else Rudder)(write_key, **options)
    for line in sys.stdin:
        asked = json.loads(line)
        for call, message in asked.get("calls", ()):
            fields = {NAMES.get(name, name): value for name, value in message.items()}
            getattr(client, call)(**{**fields, "timestamp": datetime.fromisoformat(message["timestamp"])})
        for number in range(*asked.get("tracks", (0, 0))):
            client.track("streamer", "Streamed", {"number": number})
        if asked.get("end"):
            client.flush()
            client.join()
        sys.stdout.write(json.dumps({"failures": failures}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
