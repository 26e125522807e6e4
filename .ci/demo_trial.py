"""Drives the page of `demo/` in a browser, and notes its problems."""

import pathlib
import tempfile
import time
from base64 import b64decode

import numpy as np
from PIL import Image

ALLOWED = 2  # Of 255.
SECONDS = 900  # For an image.
PICTURE = """
(() => {
  const canvas = document.getElementById("image");
  const {width, height} = canvas;
  const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [height, width, [...data]];
})()
"""


class Trial:
    """The problems of the page in a folder."""

    def __init__(self, page, site, root):
        self.page, self.site, self.root = page, site, root
        self.problems = []

    def say(self, problem):
        """Notes a problem."""
        self.problems.append(problem)

    def wait(self, *states):
        """Waits for a state of the page, and returns it."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            state = self.page.evaluate("document.body.dataset.state")
            if state in states:
                return state
            time.sleep(0.05)
        raise TimeoutError(f"The page is in the state {state}, not in {states}.")

    def text(self, name):
        """The text of an element of the page."""
        return self.page.evaluate(f"document.getElementById('{name}').textContent")

    def click(self, name):
        """Clicks a button of the page."""
        self.page.evaluate(f"document.getElementById('{name}').click()")

    def open(self):
        """Opens the page, and returns its state when the model is loaded."""
        self.page.open(f"{self.root}index.html")
        return self.wait("ready", "error")

    def sample(self, count, steps, seed):
        """Generates an image: uint8 `(H, W, 3)`."""
        fields = {"count": count, "steps": steps, "seed": seed}
        for name, value in fields.items():
            self.page.evaluate(
                f"document.getElementById('{name}').value = {value};"
                f"document.getElementById('{name}').dispatchEvent(new Event('change'))"
            )
        self.click("generate")
        if self.wait("ready", "error") == "error":
            raise RuntimeError(self.text("message"))
        height, width, pixels = self.page.evaluate(PICTURE)
        return np.array(pixels, "uint8").reshape(height, width, 4)[..., :3]

    def stop(self):
        """Stops a second image while it is generated; it cannot be saved."""
        self.click("generate")
        self.click("stop")
        self.wait("ready", "error")
        disabled = self.page.evaluate("document.getElementById('save').disabled")
        if self.text("status") != "Stopped." or not disabled:
            self.say(f"does not stop: {self.text('status')!r}")

    def compare(self, found, wanted, name):
        """Compares an image with that of the package, and returns the difference."""
        if found.shape != wanted.shape:
            self.say(f"{name} has the shape {found.shape}, not {wanted.shape}")
            return None
        difference = int(np.abs(found.astype(int) - wanted).max())
        if difference > ALLOWED:
            self.say(f"{name} differs from the package's by {difference} of 255")
        return difference

    def saved(self):
        """The image of the file that the button saves."""
        with tempfile.TemporaryDirectory() as folder:
            behaviour = {"behavior": "allow", "downloadPath": folder}
            self.page.command("Page.setDownloadBehavior", **behaviour)
            self.click("save")
            end = time.monotonic() + 10
            while not (paths := [*pathlib.Path(folder).glob("*.png")]):
                if time.monotonic() > end:
                    raise TimeoutError("The button saves no PNG.")
                time.sleep(0.05)
            return np.asarray(Image.open(paths[0]).convert("RGB"))

    def console(self, *expected):
        """Errors of the page, but those with an expected text, and foreign requests."""
        for error in self.page.errors:
            if not any(text in error for text in expected):
                self.say(error)
        for url in self.page.requests:
            if not url.startswith((self.root, "data:", "blob:")):
                self.say(f"asks for {url}")

    def refused(self, name, content, message):
        """Opens the page with a damaged file, which must be a message."""
        path = self.site / name
        good = path.read_bytes()
        path.write_bytes(content)
        state, text = self.open(), self.text("message")
        if state != "error" or message not in text:
            self.say(f"with another {name} the page is {state} and says {text!r}")
        path.write_bytes(good)

    def picture(self, path, width, dark):
        """Saves what the whole page looks like."""
        self.page.set_screen(width, 900, dark=dark)
        self.page.command("Emulation.setScrollbarsHidden", hidden=True)
        root = "document.documentElement"
        sideways = f"{root}.scrollWidth - {root}.clientWidth"
        if (pixels := self.page.evaluate(sideways)) > 0:
            self.say(f"scrolls sideways by {pixels} of {width} pixels")
        options = {"format": "png", "captureBeyondViewport": True}
        data = self.page.command("Page.captureScreenshot", **options)["data"]
        path.write_bytes(b64decode(data))
