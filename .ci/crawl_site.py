"""Opens every page of `site/` in headless Chromium, and reports what a reader would.

    python .ci/crawl_site.py [--site site]

No error in the console, no request to another host, no broken link or anchor, search
over http and from files, nothing cut off at 1280 pixels, no sideways scrolling at 390,
texts for all images, light and dark. Without a Chromium it says so and ends.
"""

import argparse
import functools
import http.server
import pathlib
import sys
import threading
import time
import urllib.parse

from browser import find_browser, open_page

READ = pathlib.Path(__file__).with_name("page_facts.js").read_text()
FACTS = ("links", "ids", "images", "wide", "raw", "boxes", "prompts")
ON_EVERY_SCREEN = ("sideways", "scheme", "cut", "faint")
# Types a word into the search, and returns the links of its results.
SEARCH = """
new Promise((resolve, reject) => {{
  const field = document.querySelector(".md-search__input");
  field.focus();
  field.value = "{word}";
  const start = Date.now();
  const timer = setInterval(() => {{
    field.dispatchEvent(new Event("keyup", {{bubbles: true}}));
    const links = [...document.querySelectorAll(".md-search-result__link")];
    if (links.length || Date.now() - start > 20000) {{
      clearInterval(timer);
      resolve(links.map((link) => [link.href, link.innerText]));
    }}
  }}, 100);
}})
"""
# A word, and the page that its first result is on.
WORDS = {"GCC": "method.html", "unet": "api/networks.html"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *args):
        """Called for each request."""


def serve(site):
    """Serves the folder from a thread, and returns its address."""
    handler = functools.partial(Quiet, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


class Crawl:
    """The problems of a site, page by page."""

    def __init__(self, page, site):
        self.page = page
        self.site = site
        self.names = sorted(
            path.relative_to(site).as_posix() for path in site.rglob("*.html")
        )
        self.problems = []
        self.facts = {}

    def say(self, name, *problems):
        """Notes problems of a page."""
        lines = [" ".join(problem.split())[:160] for problem in problems]
        self.problems += [f"{name}: {line}" for line in lines]

    def look(self, root):
        """Reads every page, on a wide screen in light and on a phone in dark."""
        for name in self.names:
            self.page.set_screen(1280, 900)
            self.page.open(root + name)
            facts = self.facts[name] = self.read(*FACTS, *ON_EVERY_SCREEN)
            self.requests(name, root)
            self.looks(name, facts, "default", "at 1280 pixels")
            self.say(name, *(f"too wide at 1280 pixels: {x}" for x in facts["wide"]))
            self.say(name, *(f"no text, or no image: {x}" for x in facts["images"]))
            self.say(name, *(f"Markdown not rendered: {x}" for x in facts["raw"]))
            self.say(name, *(f"unknown section: {x}" for x in facts["boxes"]))
            self.say(name, *(f"prompts are copied: {x}" for x in facts["prompts"]))
            self.page.set_screen(390, 844, dark=True)
            self.page.wait_for("document.body.dataset.mdColorScheme === 'slate'")
            self.looks(name, self.read(*ON_EVERY_SCREEN), "slate", "at 390 pixels")

    def read(self, *names):
        """Facts of the page that is open, by name."""
        return self.page.evaluate(f"({READ})({list(names)})")

    def looks(self, name, facts, scheme, screen):
        """What must be true on every screen."""
        if facts["sideways"] > 0:
            self.say(name, f"scrolls sideways {screen}, by {facts['sideways']} pixels")
        if facts["scheme"] != scheme:
            self.say(name, f"colours {facts['scheme']} instead of {scheme} {screen}")
        self.say(name, *(f"cut off {screen}: {text}" for text in facts["cut"]))
        self.say(name, *(f"too faint {screen}: {text}" for text in facts["faint"]))

    def requests(self, name, root):
        """What the browser asked for, and what went wrong."""
        self.say(name, *self.page.errors)
        for url in self.page.requests:
            if not url.startswith((root, "data:", "blob:")):
                self.say(name, f"asks for {url}")

    def links(self, root):
        """Every link to a file of the site, and to a place in a page; their number."""
        count = 0
        for name, facts in self.facts.items():
            for link, text in facts["links"]:
                address, _, anchor = link.partition("#")
                if not address.startswith(root):
                    continue
                count += 1
                path = urllib.parse.unquote(address.removeprefix(root).split("?")[0])
                path = path or "index.html"
                anchor = urllib.parse.unquote(anchor)
                if not (self.site / path).is_file():
                    self.say(name, f"dead link to {path} ({text})")
                elif anchor and path in self.facts:
                    if anchor not in self.facts[path]["ids"]:
                        self.say(name, f"dead anchor {path}#{anchor} ({text})")
        return count

    def search(self, root):
        """The search, where the site is read from `root`."""
        self.page.set_screen(1280, 900)
        for word, expected in WORDS.items():
            self.page.open(root + "index.html")
            results = self.page.evaluate(SEARCH.format(word=word))
            self.requests(f"{root}index.html", root)
            pages = [link.removeprefix(root).partition("?")[0] for link, _ in results]
            if not pages or pages[0].partition("#")[0] != expected:
                self.say(root, f"search for {word} finds {pages[:3]}, not {expected}")
            for _, text in results:
                if "¶" in text or "In [" in text or "Copied!" in text:
                    self.say(root, f"search for {word} shows {text[:60]!r}")


def main():
    """Crawls the site; the exit status is 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--site", default="site", type=pathlib.Path)
    site = parser.parse_args().site.resolve()
    executable = find_browser()
    if executable is None:
        print("The site was not crawled: no Chromium in PATH or in CHROMIUM.")
        return 0
    start = time.monotonic()
    with open_page(executable) as page:
        crawl = Crawl(page, site)
        root = serve(site)
        crawl.look(root)
        count = crawl.links(root)
        crawl.search(root)
        crawl.search(f"{site.as_uri()}/")
    for problem in crawl.problems:
        print(problem)
    seconds = time.monotonic() - start
    print(
        f"{len(crawl.names)} pages, {count} links, in Chromium: "
        f"{len(crawl.problems)} problems, {seconds:.0f} s"
    )
    return 1 if crawl.problems else 0


if __name__ == "__main__":
    sys.exit(main())
