"""A network's own WebAssembly beside LiteRT.js in Chromium: ratios of times, bytes to load, start to first answer.

    python benchmarks/c_wasm.py [NETWORK ...] [--rounds 300] [--starts 15]

In each round all ways to run a network run a block of frames, in random order, in one page on one thread. A ratio is
the median of the rounds' ratios, with the 95 % interval of that median by bootstrap. A start is a browser context
without any cache, one engine after the other. Needs Chromium, `pip install 'edgefer[c,test]'` and `edgefer app setup
tflite`. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import c_int8
import numpy as np

from edgefer.app.web_engines import package_files, packages_of
from edgefer.arch import get_arch
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import machine, records
from edgefer.runtime.engines.c import webassembly_modules
from edgefer.runtime.files import PACKAGE, write_atomic
from edgefer.runtime.terminal_table import markdown
from edgefer.training import weights

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "c-wasm.json", HERE / "tables" / "c-wasm.md"
NETWORKS = ("ean", "lcnn", "microexpnet-xxs")
WASM, SIMD128, LITERT = "wasm", "simd128", "litert"
TITLES = {
    WASM: "its own WebAssembly",
    SIMD128: "its own, simd128",
    LITERT: "LiteRT.js",
    "litert, run only": "LiteRT.js, without copies",
}
PAGE = ("index.html", "input.bin")  # of no engine
FRAMES = 10  # in a block
PACKAGES = ("ziglang", "playwright")
BROWSER = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# EAN in Node 24 (V8 13.6): instructions of a frame, counted by qemu-x86_64, and the median ratio of times in
# interleaved rounds on a busy machine, which is a hint. Each row with those above it.
TRIED = (
    ("before", "4,671,800", "1.000"),
    ("one function for convolutions and expansions, 8 outputs by 4 pixels, four groups a turn", "4,414,896", "0.973"),
    ("fewer vector constants, which V8 makes anew: 1.5 * 2^23 from memory, no byte shuffle", "4,274,653", "0.954"),
    ("sums, products and means without copies of vectors' parts", "4,165,709", "0.928"),
    ("weights as int16 in memory, widened once a layer", "4,170,320", "0.901"),
    ("dropped: several groups a turn without keeping their order: sums leave the registers (Node 20)", "5,669,138", ""),
)
# The same network in Chromium 156 on a Zen 5, by 10th percentiles of interleaved rounds on a busy machine.
RELAXED = (
    "Then relaxed SIMD, EAN in the Chromium above on the Zen 5, where V8 makes AVX-VNNI's vpdpbusd of "
    "i32x4.relaxed_dot_i8x16_i7x16_add_s: ratios of 10th percentiles of interleaved rounds to the simd128 module, "
    "again hints from a busy machine. LiteRT.js's own module has 662 of these instructions, the one that it loads "
    "where there is no relaxed SIMD has none: with AVX-VNNI switched off in V8 LiteRT.js took 260.0 us instead of "
    "158.4, the simd128 module 147.5 instead of 148.0."
)
TRIED_RELAXED = (
    ("simd128", "69,696", "1.000"),
    ("bytes, 8 outputs by 4 pixels; fours of columns, packed by the expansion", "75,582", "0.698"),
    ("blocks of eight outputs where sixteen would add some", "70,426", "0.703"),
    ("fours of rows, packed by the depthwise layer", "69,656", "0.652"),
    ("sums, products, means and the frame eight or sixteen values at a time", "69,403", "0.599"),
    ("two groups of inputs a turn instead of four", "69,068", "0.592"),
    ("dropped: one function for convolutions and expansions, when these packed columns", "69,117", "0.736"),
    ("dropped: 6 pixels by 8 outputs, beside 0.652", "70,198", "0.782"),
    ("dropped: the order of the sums not kept, beside 0.599", "69,267", "0.677"),
)


EARLIER = (
    "On an AMD EPYC of the generation before (Zen 4, this page at commit 6e635d8) LiteRT.js took 339.5, 865.5 and "
    "164.0 us, and the WebAssembly before the changes below 0.696, 0.604 and 0.585 of that."
)


class _Handler(SimpleHTTPRequestHandler):
    """Serves files to a page that may have the fine clock."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """Isolate the page."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *words: object) -> None:
        """Logs nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of index.html in the folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()


def write_site(network: str, folder: Path) -> list[int]:
    """Fill the folder with the page, both engines and both models; returns its input's shape."""
    arch = get_arch(network)
    trained = weights.load_trained_model(arch, None)
    bundles = {
        target: build_bundle(BuildJob(arch, target, get_target(target), trained, CalibrationOptions()), folder / "dist")
        for target in ("c-int8", "tflite-int8-floatio")
    }
    modules = webassembly_modules(bundles["c-int8"].path("model.c"))
    files = package_files("tflite") | {f"model{end}": content for end, content in modules.items()}
    files |= {
        "engine-c.js": (PACKAGE / "app" / "page" / "engine-c.js").read_bytes(),
        "model.tflite": bundles["tflite-int8-floatio"].path("model.tflite").read_bytes(),
        "index.html": (HERE / "c_wasm.html").read_bytes(),
        "input.bin": bundles["c-int8"].path(bundles["c-int8"].manifest.golden.input).read_bytes(),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return list(bundles["c-int8"].manifest.contract.input.shape)


def measure_starts(browser: Any, address: str, folder: Path, shape: Any, starts: int) -> dict[str, dict[str, Any]]:
    """Milliseconds from asking for the page to the first answer, and the bytes that were loaded meanwhile."""
    found: dict[str, dict[str, Any]] = {}
    times: dict[str, list[float]] = {WASM: [], LITERT: []}
    for _ in range(starts):
        for name, values in times.items():
            context = browser.new_context()
            page = context.new_page()
            asked: set[str] = set()
            page.on("request", lambda request, asked=asked: asked.add(request.url))
            page.goto(address)
            page.wait_for_function("window.ready")
            values.append(page.evaluate("([name, shape]) => start(name, shape)", [name, shape])["ms"])
            context.close()
            base = address.removesuffix("index.html")
            files = sorted(url.removeprefix(base) for url in asked if url.startswith(base))
            content = [(folder / name).read_bytes() for name in files if name not in PAGE and (folder / name).is_file()]
            found[name] = {
                "bytes": sum(map(len, content)),
                "gzip": sum(len(gzip.compress(each, 9)) for each in content),
                "start_ms": round(float(np.median(values)), 1),
            }
    return found


def measure(network: str, browser: Any, rounds: int, starts: int) -> dict[str, dict[str, Any]]:
    """All figures of a network, by the way to run it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = write_site(network, folder)
        with served(folder) as address:
            found = measure_starts(browser, address, folder, shape, starts)
            page = browser.new_page()
            page.set_default_timeout(0)
            page.goto(address)
            page.wait_for_function("window.ready")
            times = page.evaluate(
                "([shape, rounds, frames]) => measure(shape, rounds, frames)", [shape, rounds, FRAMES]
            )
            found[WASM]["kernels"] = page.evaluate("kernels()").lstrip(".") or SIMD128
            page.close()
    base = times[LITERT]
    for way, values in times.items():
        fastest = np.percentile(values, 10)
        numbers = {"us": np.median(values), "p10": fastest} | c_int8.ratio(values, base)
        numbers["p10_ratio"] = fastest / np.percentile(base, 10)
        found.setdefault(way, {}).update({key: round(float(number), 4) for key, number in numbers.items()})
    return found


def _title(way: str, row: dict[str, Any]) -> str:
    """A way to run a network; of the one that chooses kernels with those that it chose."""
    return ", ".join([TITLES[way], *([row["kernels"]] if "kernels" in row else [])])


def render(record: dict[str, Any]) -> str:
    """The page of benchmarks/tables."""
    times = [
        (
            network, _title(way, row), f"{row['us']:.1f}", f"{row['p10']:.1f}", f"{row['ratio']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}", f"{row['p10_ratio']:.3f}",
        )
        for network, found in record["networks"].items()
        for way, row in found.items()
    ]  # fmt: skip
    loads = [
        (network, _title(way, row), f"{row['bytes']:,}", f"{row['gzip']:,}", f"{row['start_ms']:.0f}")
        for network, found in record["networks"].items()
        for way, row in found.items()
        if "bytes" in row
    ]
    here = record["environment"]
    lines = [
        "# A network's own WebAssembly beside LiteRT.js",
        "",
        f"Written by `python benchmarks/c_wasm.py` from `results/{RECORD.name}`. int8 in Chromium "
        f"{record['chromium']}, headless, one thread: rounds in random order in one page, "
        f"{record['rounds']} of them, {FRAMES} frames a block; the ratio is the median of the rounds' and has the 95 % "
        "interval of that median.",
        "",
        markdown(("network", "engine", "us a frame", "p10", "ratio to LiteRT.js", "95 %", "ratio of p10"), times),
        "",
        f"What a browser loads before the first answer, model included, and the median of {record['starts']} starts "
        "without any cache, from asking a server on the same machine for the page to the first answer:",
        "",
        markdown(("network", "engine", "bytes", "as gzip", "start, ms"), loads),
        "",
        f"{here['cpu']}, {here['cores']} cores, {here['system']}; zig {here['packages']['ziglang']}, "
        f"LiteRT.js {record['litertjs']}. {EARLIER}",
        "",
        "## What was tried",
        "",
        "EAN in Node 24 (V8 13.6): instructions of a frame, counted by qemu-x86_64, and the median ratio of times in "
        "interleaved rounds on a busy machine, which is a hint. Each row with those above it.",
        "",
        markdown(("change", "instructions", "time"), TRIED),
        "",
        RELAXED,
        "",
        markdown(("change", "bytes", "time"), TRIED_RELAXED),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write the record and its table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--starts", type=int, default=15)
    given = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        parser.error("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(BROWSER))
        record: dict[str, Any] = {
            "schema": "edgefer/c-wasm/1",
            "rounds": given.rounds,
            "starts": given.starts,
            "chromium": browser.version,
            "litertjs": packages_of(["tflite"])[0].version,
            "environment": records.plain(machine.describe_environment(PACKAGES, 1)),
            "networks": {},
        }
        for network in given.networks:
            record["networks"][network] = measure(network, browser, given.rounds, given.starts)
            print(network, json.dumps(record["networks"][network]), flush=True)
        browser.close()
    write_atomic(RECORD, (json.dumps(record, indent=2) + "\n").encode())
    write_atomic(TABLE, render(record).encode())


if __name__ == "__main__":
    main()
