"""Segment's client in headless Chromium: `browse.py ADDRESS WRITE_KEY`, and then as `send.cjs`.

Its page comes from another origin than Tifo's. All that it is told is the address of Tifo as the CDN: where to send
it learns from the settings there.
"""

import functools
import http.server
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
LOAD = """
([cdnURL, writeKey]) => AnalyticsNext.AnalyticsBrowser.load({cdnURL, writeKey}).then(([analytics]) => {
  globalThis.analytics = analytics;
  globalThis.failures = [];
  analytics.on("error", (error) => failures.push(String(error.reason || error.code)));
})
"""
CALL = """
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
"""
STREAM = """
([from, to]) => {
  for (let number = from; number < to; number += 1) analytics.track("Streamed", {number}, {userId: "streamer"});
}
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(HERE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        # No sandbox: CI runs as root in a container, where Chromium has none.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        elsewhere: list[str] = []
        page.on("request", lambda request: elsewhere.append(request.url) if "127.0.0.1" not in request.url else None)
        page.goto(f"http://127.0.0.1:{server.server_port}/page.html")
        page.evaluate(LOAD, sys.argv[1:])
        for line in sys.stdin:
            asked = json.loads(line)
            for call in asked.get("calls", ()):
                page.evaluate(CALL, call)
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
