"""Samples in the page of `demo/` in headless Chromium, and compares with the package.

    python .ci/try_demo.py      # a small model, as `make test` does
    python .ci/try_demo.py --site OUT --preset faces128 --n 2 --pictures FOLDER

The page loads, samples, stops, and saves the image of the package, within 2 of 255;
nothing comes from another host; a model of another version is a message. Without a
Chromium, or without npm and its registry, it says so and ends.
"""

import argparse
import contextlib
import functools
import http.server
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from browser import find_browser, open_page  # noqa: E402
from demo_trial import Trial  # noqa: E402


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, which browsers do not store, and logs nothing."""

    def end_headers(self):
        """Called for each answer."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *args):
        """Called for each request."""


@contextlib.contextmanager
def served(site):
    """Serves a folder from a thread, and yields its address."""
    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def small_model():
    """A cascade with random weights: noise for its second stage, and shifted grids."""
    import keras_patchdpm as kp

    patching = kp.CascadePatching(2, sampling_noise=0.05)
    network = kp.networks.unet(
        16,
        patching,
        width=8,
        multipliers=(1,),
        blocks_per_depth=1,
        attention_depths=(),
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="velocity"), patching)
    kp.testing.randomise(network, np.random.default_rng(1))
    model.set_sampling(solver="ddpm", steps=5)
    return model


def build_small(site, build):
    """Collects the page with the small model, which is returned."""
    import keras_patchdpm as kp

    model = small_model()
    with tempfile.TemporaryDirectory() as folder:
        kp.export.onnx(model, folder, patches_per_call=2)
        build.build(site, pathlib.Path(folder))
    return model


def most_memory():
    """The highest resident memory of the process of the page, in bytes; 0 elsewhere."""
    sizes = [0]
    for process in psutil.Process().children(recursive=True):
        status = pathlib.Path(f"/proc/{process.pid}/status")
        if status.is_file() and "--type=renderer" in process.cmdline():
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            sizes.append(1024 * int(lines["VmHWM"].split()[0]))
    return max(sizes)


def try_bad_models(trial):
    """A model of another version, a damaged one, an incomplete one."""
    path = trial.site / "model" / "patchdpm.json"
    description = json.loads(path.read_text())
    for name, content, message in (
        (path, json.dumps({**description, "version": 99}).encode(), "99"),
        (path, b"{", "damaged"),
        (path.with_name("network.onnx"), b"short", "incomplete"),
    ):
        trial.refused(name.relative_to(trial.site), content, message)


def try_page(trial, model, options):
    """Samples, saves and compares; returns a line of results."""
    description = json.loads((trial.site / "model" / "patchdpm.json").read_text())
    known = [stage["n"] for stage in description["stages"]]
    n = options.n or known[-1]
    steps = next(iter(description["steps"]))
    sampler = model.sampler(model.tiled(n), steps=int(steps))
    wanted = sampler(1, seed=options.seed)[0]
    trial.page.set_screen(1280, 900)
    if trial.open() == "error":
        raise RuntimeError(trial.text("message"))
    message = trial.text("message")
    if "WebGPU" not in message:
        trial.say(f"does not say where the networks run: {message!r}")
    sampled = trial.sample(known.index(n) + 1, steps, options.seed)
    difference = trial.compare(sampled, wanted, "the image")
    trial.compare(trial.saved(), sampled, "the saved image")
    status, memory = trial.text("status"), most_memory() / 1e6
    if options.pictures:
        options.pictures.mkdir(exist_ok=True)
        for width, dark in ((1280, False), (390, True)):
            trial.picture(options.pictures / f"{width}.png", width, dark)
    trial.stop()
    trial.console()
    return (
        f"{message}\nn={n}, {steps} steps: {status} Largest difference to the package: "
        f"{difference} of 255. Memory of the page's process: {memory:.0f} MB."
    )


def main():
    """Tries the page; the exit status is 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--site", type=pathlib.Path, help="what demo/build.py wrote, with --preset")
    add("--preset", help="preset that was exported into the site")
    add("--n", type=int, help="default: the largest")
    add("--seed", type=int, default=7)
    add("--pictures", type=pathlib.Path, help="folder for screenshots")
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("build", ROOT / "demo" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    executable = find_browser()
    if executable is None:
        print("The demo was not tried: no Chromium in PATH or in CHROMIUM.")
        return 0
    try:
        build.runtime()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The demo was not tried: onnxruntime-web cannot be had. {error}")
        return 0
    os.environ.setdefault("KERAS_BACKEND", "torch")
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        site = options.site or pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory())
        )
        if options.site:
            import keras_patchdpm as kp

            model = kp.PatchDPM.from_preset(options.preset)
        else:
            model = build_small(site, build)
        root = stack.enter_context(served(site))
        page = stack.enter_context(open_page(executable))
        trial = Trial(page, site, root)
        print(try_page(trial, model, options))
        if not options.site:
            try_bad_models(trial)
    for problem in trial.problems:
        print(problem)
    seconds = time.monotonic() - start
    print(f"The demo in Chromium: {len(trial.problems)} problems, {seconds:.0f} s")
    return 1 if trial.problems else 0


if __name__ == "__main__":
    sys.exit(main())
