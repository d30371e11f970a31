"""Users of LiveLike's SDK in headless Chromium, each with a page: the same lines in and out as `drive.cjs`.

The page is served from another origin than Tifo's, so that every request of the SDK's is a cross-origin one.
"""

import functools
import http.server
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(HERE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        # No sandbox: CI runs as root in a container, where Chromium has none.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        pages: dict[int, Page] = {}
        for line in sys.stdin:
            asked = json.loads(line)
            user = asked.pop("user")
            if user not in pages:
                pages[user] = browser.new_page()
                pages[user].goto(f"http://127.0.0.1:{server.server_port}/page.html")
            sys.stdout.write(json.dumps(pages[user].evaluate("asked => answer(asked)", asked)) + "\n")
            sys.stdout.flush()
        browser.close()


if __name__ == "__main__":
    main()
