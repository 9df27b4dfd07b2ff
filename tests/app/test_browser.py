"""The page in headless Chromium, with a camera made of a file. Needs chromium, playwright and the npm registry."""

from __future__ import annotations

import json
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL.Image import Resampling, fromarray

import edgefer
from edgefer.app import serve, web_engines
from edgefer.app.web import WebOptions, write_page
from edgefer.runtime.bundle import MANIFEST, RESIZE_INPUT
from edgefer.runtime.detectors import DETECTORS, face_map, load_detector, square_of
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.golden import golden_picture
from tests.conftest import Once

pytestmark = pytest.mark.long
STEP = 1 / 256 + 1e-6  # of an int8 model's probabilities
TARGETS = ("tflite-int8-floatio", "onnx-fp32", "c-int8")
DETECTED = "blazeface"  # finds the face in pages of the first target and of the network as C
DETECTING = (TARGETS[0], "c-int8")
HEARD = """window.heard = [];
for (const kind of ['golden', 'answer', 'message', 'failed'])
  document.addEventListener(`edgefer-${kind}`, ({detail}) => window.heard.push([kind, detail]));"""
# The camera's picture as the page reads it, before anything is drawn on it.
FRAME = """(() => {
  const video = document.getElementById('video');
  const context = new OffscreenCanvas(640, 480).getContext('2d', {willReadFrequently: true});
  context.drawImage(video, 0, 0, 640, 480);
  return Array.from(context.getImageData(0, 0, 640, 480).data).filter((_, i) => i % 4 < 3);
})()"""
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CAMERA = "--use-fake-device-for-media-stream"
VIEWPORTS = {
    "portrait": {"width": 390, "height": 844},
    "landscape": {"width": 844, "height": 390},
    "small": {"width": 320, "height": 568},
    "desktop": {"width": 1280, "height": 800},
}


def in_browsers(target: str) -> bool:
    """Whether a page can be written for the target: that of C is compiled by zig."""
    return target != "c-int8" or find_spec("ziglang") is not None


def address_of(sites: dict[str, str], name: str) -> str:
    """The page's address; skips with the reason where there is none."""
    if name not in sites:
        pytest.skip(
            "WebAssembly is compiled by zig" if name in TARGETS else f"run `{DETECTORS[DETECTED].set_up_by}` first"
        )
    return sites[name]


@pytest.fixture(scope="module")
def sites(dist: Path, once: Once) -> Iterator[dict[str, str]]:
    """The address of a page for each of TARGETS that can be built here, and of those with a detector if it is there."""

    def write(folder: Path) -> None:
        for target in filter(in_browsers, TARGETS):
            write_page(WebOptions(dist / f"ean.{target}", folder / target, "none"))
        for target in filter(in_browsers, DETECTING if not DETECTORS[DETECTED].lacking else ()):
            write_page(WebOptions(dist / f"ean.{target}", folder / f"{DETECTED}-{target}"))

    try:
        web_engines.set_up(tuple(web_engines.web_engines()), [])
        folder = once("pages", write)
    except NotSetUp as error:
        pytest.skip(str(error))
    addresses, servers = {}, []
    for path in sorted(folder.iterdir()):
        made = serve.server(path, 0)
        server, addresses[path.name] = made.__enter__()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((made, server, thread))
    yield addresses
    for made, server, thread in servers:
        server.shutdown()
        thread.join()
        made.__exit__(None, None, None)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the drawn face in the middle of a grey picture of 640 x 480, as a camera's file."""
    picture = np.full((480, 640, 3), 120, np.uint8)
    face = np.asarray(fromarray(golden_picture()).resize((320, 320), Resampling.BICUBIC))
    picture[80:400, 160:480] = face
    y, cb, cr = (np.asarray(band) for band in fromarray(picture).convert("YCbCr").split())
    frame = b"FRAME\n" + y.tobytes() + cb[::2, ::2].tobytes() + cr[::2, ::2].tobytes()
    path = tmp_path_factory.mktemp("film") / "face.y4m"
    path.write_bytes(b"YUV4MPEG2 W640 H480 F20:1 Ip A1:1 C420jpeg\n" + 40 * frame)
    return path


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., Any]]:
    """Starts Chromium with these arguments."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        started = []

        def start(*arguments: str) -> Any:
            started.append(playwright.chromium.launch(executable_path=program, args=[*QUIET, *arguments]))
            return started[-1]

        yield start
        for browser in started:
            browser.close()


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any], film: Path) -> Any:
    """Chromium with a camera that nobody has to allow."""
    return launch(CAMERA, f"--use-file-for-fake-video-capture={film}", "--use-fake-ui-for-media-stream")


def until(page: Any, condition: str, seconds: float = 60) -> None:
    """Wait; the page's policy forbids what playwright's own wait does."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, (condition, page.inner_text("body"))
        time.sleep(0.05)


def opened(context: Any, address: str, script: str = "") -> Any:
    """The page, once it has checked its golden pair or failed; nothing has left its origin."""
    page = context.new_page()
    page.add_init_script(HEARD + script)
    page.on("request", lambda request: page_requests.append(request.url))
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page_requests: list[str] = []
    page.goto(address)
    until(page, "heard.some(([kind]) => kind === 'golden' || kind === 'failed')")
    page.requests = page_requests
    return page


def golden(page: Any) -> Any:
    """What the golden pair gave."""
    return page.evaluate("heard.find(([kind]) => kind === 'golden')[1]")


def answers(page: Any) -> int:
    return int(page.evaluate("heard.filter(([kind]) => kind === 'answer').length"))


def answer(page: Any) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The face's pixels and the probabilities of the newest answer."""
    found = page.evaluate(
        "(({face, probabilities}) => [face.width, face.height, Array.from(face.data), probabilities])"
        "(heard.findLast(([kind]) => kind === 'answer')[1])"
    )
    width, height, pixels, probabilities = found
    return np.array(pixels, np.uint8).reshape(height, width, 3), np.array(probabilities)


def by_python(bundle: Path, face: Any) -> NDArray[np.float64]:
    return np.array(list(edgefer.load(bundle).classify(face).probabilities.values()))


@pytest.mark.parametrize("target", TARGETS)
def test_golden_pair_camera_and_photo_as_in_python(
    target: str, sites: dict[str, str], browser: Any, dist: Path, tmp_path: Path
) -> None:
    context = browser.new_context(viewport=VIEWPORTS["portrait"])
    page = opened(context, address_of(sites, target))
    pair = golden(page)
    assert pair["holds"] and pair["inputs"] == 0 and pair["difference"] <= (0 if target == "c-int8" else STEP)
    resize = pair["resize"]
    assert resize["holds"] and resize["levels"] == 0 and resize["difference"] <= STEP
    assert "So does the resize: pixels off by 0 of 255, 2 allowed" in page.inner_text("#golden")
    page.click("#camera")
    until(page, "heard.filter(([kind]) => kind === 'answer').length > 5")
    face, probabilities = answer(page)
    assert face.shape == (480, 480, 3) and face.std() > 20, "the middle of the film's picture"
    assert np.abs(probabilities - by_python(dist / f"ean.{target}", face)).max() <= STEP
    page.click("#camera")
    random = np.random.default_rng(1)
    photo = tmp_path / "photo.png"
    fromarray(random.integers(0, 256, (211, 133, 3), dtype=np.uint8)).resize((900, 700)).save(photo)
    before = answers(page)
    page.set_input_files("#photo", photo)
    until(page, f"heard.filter(([kind]) => kind === 'answer').length > {before}")
    _, probabilities = answer(page)
    assert np.abs(probabilities - by_python(dist / f"ean.{target}", photo)).max() <= STEP
    for url in page.requests:
        assert url.removeprefix("blob:").startswith(sites[target])
        assert target != "c-int8" or "/engine/" not in url, "a network as C needs no engine"
    context.close()


def test_a_transparent_photo_as_in_python(sites: dict[str, str], browser: Any, dist: Path, tmp_path: Path) -> None:
    context = browser.new_context()
    page = opened(context, sites[TARGETS[0]])
    random = np.random.default_rng(2)
    pixels = random.integers(0, 256, (90, 70, 4), dtype=np.uint8)
    pixels[:30, :, 3], pixels[30:60, :, 3] = 0, 255
    for photo in (tmp_path / "photo.png", tmp_path / "photo.webp"):
        fromarray(pixels).save(photo, lossless=True, exact=True)
        before = answers(page)
        page.set_input_files("#photo", photo)
        until(page, f"heard.filter(([kind]) => kind === 'answer').length > {before}")
        face, probabilities = answer(page)
        assert np.array_equal(face, pixels[..., :3])
        assert np.abs(probabilities - by_python(dist / f"ean.{TARGETS[0]}", photo)).max() <= STEP
    context.close()


def test_a_transparent_photo_without_webgl(sites: dict[str, str], browser: Any, tmp_path: Path) -> None:
    page = opened(
        browser.new_context(),
        sites[TARGETS[0]],
        "const ask = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind === 'webgl' ? null : ask.call(this, kind, ...more); };",
    )
    fromarray(np.zeros((9, 9, 4), np.uint8)).save(tmp_path / "photo.png")
    page.set_input_files("#photo", tmp_path / "photo.png")
    until(page, "document.getElementById('message').textContent")
    assert "photo.png could not be opened as a picture (parts of it are transparent" in page.inner_text("#message")
    assert answers(page) == 0


@pytest.mark.parametrize("target", DETECTING)
def test_a_face_is_found_and_framed_as_in_python(target: str, sites: dict[str, str], browser: Any, dist: Path) -> None:
    context = browser.new_context(viewport=VIEWPORTS["portrait"])
    page = opened(context, address_of(sites, f"{DETECTED}-{target}"))
    page.click("#camera")
    until(page, "heard.filter(([kind]) => kind === 'answer').length > 5")
    face, probabilities = answer(page)
    corners = np.array(page.evaluate("heard.findLast(([kind]) => kind === 'answer')[1].corners"))
    picture = np.array(page.evaluate(FRAME), np.uint8).reshape(480, 640, 3)
    (found,) = load_detector(DETECTED).detect(picture)
    expected = np.array(square_of(found, face_map(DETECTED)).corners())
    assert np.abs(corners - expected).max() < 1
    assert np.abs(probabilities - by_python(dist / f"ean.{target}", face)).max() <= STEP
    context.close()


@pytest.mark.parametrize(
    "flags", [(), ("--js-flags=--no-enable-avx-vnni --no-enable-avx-vnni-int8",)], ids=["as it is", "without VNNI"]
)
def test_one_module_of_a_network_as_c_is_loaded_and_exact(
    flags: tuple[str, ...], sites: dict[str, str], launch: Callable[..., Any]
) -> None:
    page = opened(launch(*flags).new_context(), address_of(sites, "c-int8"))
    pair = golden(page)
    assert pair["holds"] and pair["inputs"] == pair["difference"] == 0
    kernels = page.evaluate("import('./engine-c.js').then((engine) => engine.chooseKernels())")
    assert [url.rpartition("/")[2] for url in page.requests if url.endswith(".wasm")] == [f"model{kernels}.wasm"]
    if flags and platform.machine() in ("x86_64", "AMD64"):
        assert kernels == "", "V8's other instructions lose the end of sums"


def test_it_works_offline(sites: dict[str, str], browser: Any) -> None:
    context = browser.new_context()
    pages = [sites[target] for target in TARGETS if target in sites]
    for page in pages:
        opened(context, page).close()
    context.set_offline(True)
    for page in pages:
        assert golden(opened(context, page))["holds"]
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", VIEWPORTS)
def test_layout_fits(viewport: str, scheme: str, sites: dict[str, str], browser: Any) -> None:
    context = browser.new_context(viewport=VIEWPORTS[viewport], color_scheme=scheme)
    page = opened(context, sites[TARGETS[0]])
    page.click("#camera")
    until(page, "heard.some(([kind]) => kind === 'answer')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("#view", "#label", "#camera"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= VIEWPORTS[viewport]["width"]
        assert box["y"] + box["height"] <= max(VIEWPORTS[viewport]["height"], 800)
    context.close()


def test_keyboard_and_screen_reader(sites: dict[str, str], browser: Any) -> None:
    context = browser.new_context()
    page = opened(context, sites[TARGETS[0]])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "camera"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    until(page, "document.getElementById('announce').textContent.endsWith('percent')")
    assert page.get_by_role("button", name="Stop camera").count() == 1
    assert page.get_by_label("Open a photo").count() == 1
    assert page.get_by_role("status").get_attribute("aria-live") == "polite"
    context.close()


def test_camera_that_is_not_allowed_or_missing(sites: dict[str, str], launch: Callable[..., Any], film: Path) -> None:
    denying = (CAMERA, f"--use-file-for-fake-video-capture={film}", "--deny-permission-prompts")
    for arguments, words in ((denying, "not allowed"), ((), "no camera")):
        page = opened(launch(*arguments).new_context(), sites[TARGETS[0]])
        page.click("#camera")
        until(page, "document.getElementById('message').textContent")
        assert words in page.inner_text("#message") and "photo" in page.inner_text("#message")
        assert page.inner_text("#camera") == "Start camera"


def test_a_browser_without_simd(sites: dict[str, str], browser: Any) -> None:
    page = opened(browser.new_context(), sites[TARGETS[0]], "WebAssembly.validate = () => false;")
    assert "no WebAssembly with SIMD" in page.inner_text("#golden")
    assert page.is_disabled("#camera")


def test_a_golden_pair_that_does_not_hold(sites: dict[str, str], browser: Any) -> None:
    context = browser.new_context(service_workers="block")
    context.route("**/golden/output.bin", lambda route: route.fulfill(body=bytes(28)))
    page = opened(context, sites[TARGETS[0]])
    assert "does not hold on this device" in page.inner_text("#golden")
    assert page.is_disabled("#camera") and page.is_disabled("#photo")
    context.close()


def test_a_resize_that_does_not_hold(sites: dict[str, str], browser: Any, dist: Path) -> None:
    context = browser.new_context(service_workers="block")
    name = f"ean.{TARGETS[0]}"
    values = np.frombuffer((dist / name / RESIZE_INPUT).read_bytes(), np.float32) - np.float32(3)
    context.route("**/golden/large-input.bin", lambda route: route.fulfill(body=values.tobytes()))
    page = opened(context, sites[TARGETS[0]])
    assert "holds on this device, the resize does not: pixels off by 3 of 255, 2 allowed" in page.inner_text("#golden")
    assert page.is_disabled("#camera") and page.is_disabled("#photo")
    context.close()


def test_a_bundle_of_an_earlier_version(sites: dict[str, str], browser: Any, dist: Path) -> None:
    context = browser.new_context(service_workers="block")
    manifest = json.loads((dist / f"ean.{TARGETS[0]}" / MANIFEST).read_text())
    del manifest["golden_resize"], manifest["contract"]["face_maps"]
    context.route("**/bundle/manifest.json", lambda route: route.fulfill(json=manifest))
    page = opened(context, sites.get(f"{DETECTED}-{TARGETS[0]}", sites[TARGETS[0]]))
    assert "The resize was not checked" in page.inner_text("#golden")
    until(page, "!document.getElementById('camera').disabled")
    context.close()


def test_a_file_that_is_no_picture(sites: dict[str, str], browser: Any, tmp_path: Path) -> None:
    page = opened(browser.new_context(), sites[TARGETS[0]])
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("#photo", tmp_path / "notes.png")
    until(page, "document.getElementById('message').textContent")
    assert page.inner_text("#message").startswith("notes.png could not be opened as a picture")
