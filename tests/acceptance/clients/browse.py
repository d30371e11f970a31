"""Segment's or RudderStack's client in headless Chromium: `browse.py segment|rudder ADDRESS WRITE_KEY`, and then as
`send.cjs`.

Its page comes from another origin than Tifo's. All that Segment's is told is the address of Tifo as the CDN: where to
send it learns from the settings there. RudderStack's reads its source's configuration from Tifo, too.
"""

import functools
import http.server
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, sync_playwright

HERE = Path(__file__).parent
LOAD = {
    "segment": """
([address, writeKey]) => AnalyticsNext.AnalyticsBrowser.load({cdnURL: address, writeKey}).then(([analytics]) => {
  globalThis.analytics = analytics;
  globalThis.failures = [];
  analytics.on("error", (error) => failures.push(String(error.reason || error.code)));
})
""",
    # More than `maxItems` waiting events, and it drops the oldest without a word; 100 where nothing is said.
    "rudder": """
([address, writeKey]) => new Promise((onLoaded) => {
  globalThis.analytics = new rudderanalytics.RudderAnalytics();
  globalThis.failures = [];
  analytics.load(writeKey, address, {configUrl: address, queueOptions: {maxItems: 1000}, onLoaded});
})
""",
}
CALL = {
    "segment": """
async ([call, message]) => {
  const {userId, event, name, category, groupId, previousId, properties, traits, ...options} = message;
  const given = {
    identify: [userId, traits],
    track: [event, properties],
    page: [category, name, properties],
    screen: [category, name, properties],
    group: [groupId, traits],
    alias: [userId, previousId],
  }[call];
  await analytics[call](...given, options);
}
""",
    # It makes each messageId itself, has no screens, and calls the time `originalTimestamp`.
    "rudder": """
([call, message]) => {
  const {userId, event, name, category, groupId, previousId, properties, traits, timestamp, context} = message;
  const given = {
    identify: [userId, traits],
    track: [event, properties],
    page: [category, name, properties],
    group: [groupId, traits],
    alias: [userId, previousId],
  }[call];
  if (given) analytics[call](...given, {originalTimestamp: timestamp, context});
}
""",
}
STREAM = """
([from, to]) => {
  for (let number = from; number < to; number += 1) analytics.track("Streamed", {number}, {userId: "streamer"});
}
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    kind, *target = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(HERE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        # No sandbox: CI runs as root in a container, where Chromium has none.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        elsewhere: list[str] = []
        page.on("request", lambda request: elsewhere.append(request.url) if "127.0.0.1" not in request.url else None)

        def note(message: ConsoleMessage) -> None:  # RudderStack's says what it drops there, and nowhere else
            if "dropped" in message.text:
                elsewhere.append(message.text)

        page.on("console", note)
        page.goto(f"http://127.0.0.1:{server.server_port}/{kind}.html")
        page.evaluate(LOAD[kind], target)
        for line in sys.stdin:
            asked = json.loads(line)
            for call in asked.get("calls", ()):
                page.evaluate(CALL[kind], call)
            if "tracks" in asked:
                page.evaluate(STREAM, asked["tracks"])
            failures = [*page.evaluate("failures"), *elsewhere]
            sys.stdout.write(json.dumps({"failures": failures}) + "\n")
            sys.stdout.flush()
            if asked.get("end"):  # it has no way to wait for what it tries again: the page stays until it is told
                sys.stdin.readline()
        browser.close()


if __name__ == "__main__":
    main()
