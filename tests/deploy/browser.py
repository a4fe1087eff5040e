"""A headless Chromium, driven over its DevTools protocol: what a page shows, logs and asks for."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1400,1000",
    "--remote-debugging-port=0", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip


# Where a box scrolls sideways its texts can be reached.
CLIPPED = """
within => {
    const cut = [];
    const walker = document.createTreeWalker(document.querySelector(within), NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
        if (!node.textContent.trim() || !node.parentElement.checkVisibility()) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const box = range.getBoundingClientRect();
        let left = 0, right = document.documentElement.clientWidth;
        for (let around = node.parentElement; around; around = around.parentElement) {
            const flow = getComputedStyle(around).overflowX, edge = around.getBoundingClientRect();
            if (flow === 'auto' || flow === 'scroll') { left = -Infinity; right = Infinity; break; }
            if (flow === 'hidden' || flow === 'clip' || around.tagName === 'svg') {
                left = Math.max(left, edge.left); right = Math.min(right, edge.right);
            }
        }
        if (box.width && (box.left < left - 1 || box.right > right + 1)) cut.push(node.textContent.trim());
    }
    return cut;
}
"""


class Page:
    """One tab. `complaints` are console errors and exceptions, `requests` the addresses it asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.number = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Send one command and give its result; events that come in between are kept."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self._keep(message.get("method"), message.get("params", {}))

    def _keep(self, event: str, params: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:500])
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.complaints.append(json.dumps(params["args"])[:500])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def js(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str, what: str, seconds: float = 30) -> Any:
        """Wait until a JavaScript expression is truthy, and give its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.js(f"document.body && ({expression})")):
            assert time.monotonic() < deadline, (
                f"{what}: not within {seconds} s; page says: {self.text()[:1500]}"
            )
            time.sleep(0.1)
        return value

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Show the page as a screen of this width does, by daylight or at night."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def clipped(self, within: str = "body") -> list[str]:
        """The texts that a reader cannot see whole: out of the screen or of a box that does not scroll."""
        found: list[str] = self.js(f"({CLIPPED})({json.dumps(within)})")
        return found

    def text(self) -> str:
        """The text a reader sees."""
        return str(self.js("document.body.innerText"))


@contextlib.contextmanager
def page(profile: Path) -> Iterator[Page]:
    """A tab of a new Chromium with a new profile, without network beyond 127.0.0.1."""
    assert CHROMIUM
    chromium = subprocess.Popen(
        [CHROMIUM, *SWITCHES, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = profile / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not (told.exists() and "\n" in told.read_text()):
            assert chromium.poll() is None, "Chromium ended"
            assert time.monotonic() < deadline, "Chromium did not start"
            time.sleep(0.05)
        port = told.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            tab = next(each for each in json.load(answer) if each["type"] == "page")
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Page(socket)
    finally:
        chromium.terminate()
        chromium.wait(20)
