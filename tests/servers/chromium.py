"""A headless Chromium, driven by its own protocol: open a page, wait for words, click, look."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PATIENCE = 240.0
"""Seconds that a page has to show what is waited for."""
TEXT = "document.body ? document.body.innerText : ''"


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self._ask("Page.enable")

    def open(self, url: str, *wanted: str) -> str:
        """Open a page and wait until it shows all the words wanted; return its text."""
        self._ask("Page.navigate", url="about:blank")
        self._ask("Page.navigate", url=url)
        return self.wait_for(*wanted)

    def wait_for(self, *wanted: str) -> str:
        """Wait until the page shows all the words wanted; return its text."""
        end = time.monotonic() + PATIENCE
        while True:
            text = str(self.run(TEXT))
            missing = [word for word in wanted if word not in text]
            if not missing:
                return text
            assert time.monotonic() < end, f"the page lacks {missing}; it shows:\n{text}"
            time.sleep(0.3)

    def click(self, selector: str) -> bool:
        """Click the first element of a selector; say whether there is one."""
        script = f"(e => e ? (e.click(), true) : false)(document.querySelector({selector!r}))"
        return bool(self.run(script))

    def run(self, script: str) -> Any:
        """Return the value of JavaScript."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Keep what is seen as PNG."""
        answer = self._ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result


@contextmanager
def chromium(folder: Path, width: int = 1500, height: int = 950) -> Iterator[Page]:
    """Give a tab of a browser with a profile of its own."""
    command = [
        "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-dev-shm-usage", "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}", "about:blank",
    ]  # fmt: skip
    note = folder / "profile" / "DevToolsActivePort"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while not (note.is_file() and note.read_text().strip()):
            assert process.poll() is None and time.monotonic() < end, "chromium did not start"
            time.sleep(0.1)
        port = int(note.read_text().split()[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            tab = next(one for one in json.load(answer) if one["type"] == "page")
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(20)
