"""A page in headless Chromium, driven by the Chrome DevTools protocol.

The browser is the one of the machine: nothing is downloaded.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 30  # After which a page that does not answer is an error.


def find_browser():
    """The path of a Chromium: of the variable `CHROMIUM`, or in `PATH`; or `None`."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def open_page(executable):
    """Starts the browser, yields its `Page`, and ends the browser."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--disable-gpu", "--remote-debugging-port=0"]
        options += ["--disable-dev-shm-usage", f"--user-data-dir={profile}"]
        options += ["--no-first-run", "--disable-background-networking"]
        options += ["--in-process-gpu", "--renderer-process-limit=1"]  # Fewer to start.
        if os.geteuid() == 0:  # Chromium refuses its sandbox to root, as in containers.
            options.append("--no-sandbox")
        process = subprocess.Popen(
            [executable, *options, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Page(_address(pathlib.Path(profile, "DevToolsActivePort"), process))
        finally:
            process.terminate()
            process.wait()


def _address(file, process):
    """Where the browser listens, which it writes into a file when it is ready."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        lines = file.read_text().split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise RuntimeError(f"Chromium does not start. Received: {process.args[0]}.")


class Page:
    """One tab. `requests` and `errors` are those since the last `open`."""

    def __init__(self, address):
        self.socket = websocket.create_connection(
            address, timeout=SECONDS, suppress_origin=True
        )
        self.count = 0
        self.session = None
        self._clear()
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.command(
            "Target.attachToTarget", targetId=target, flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def _clear(self):
        self.loaded, self.requests, self.errors = False, [], []

    def command(self, method, **params):
        """Sends a command, and returns its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = self._receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _receive(self):
        message = json.loads(self.socket.recv())
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.errors.append(f"a request fails: {params['errorText']}")
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.errors.append(text)
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            values = [str(part.get("value")) for part in params["args"]]
            self.errors.append(" ".join(values))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}".strip())
        return message

    def open(self, url):
        """Loads a page, until its images and scripts are there."""
        self._clear()
        self.command("Page.navigate", url=url)
        while not self.loaded:
            self._receive()

    def set_screen(self, width, height, dark=False):
        """The size of the window, and the colours that the reader prefers."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        prefers = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce",  # Colours change at once.
        }
        features = [{"name": name, "value": prefers[name]} for name in prefers]
        self.command("Emulation.setEmulatedMedia", features=features)

    def wait_for(self, condition):
        """Waits until an expression is true, at most ten seconds."""
        end = time.monotonic() + 10
        while not self.evaluate(condition) and time.monotonic() < end:
            time.sleep(0.02)

    def evaluate(self, script):
        """The value of an expression of JavaScript; a promise is awaited."""
        result = self.command(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"]["description"])
        return result["result"].get("value")
