"""The page of `edgefer report --html`: what it says, that it fetches nothing, and that no name is markup."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer.benchmark.html_elements import document, element, of_markdown
from edgefer.benchmark.html_report import page
from edgefer.benchmark.html_sources import Checked, Sources, read_sources
from edgefer.runtime import __version__, records
from edgefer.runtime.bench_record import RunWarning, WarningKind
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import BadRecord, MissingFile
from edgefer.runtime.labels import LABELS
from edgefer.runtime.peak import Peak, measure
from edgefer.runtime.training_record import Scores
from edgefer.runtime.verify import AccuracyCheck
from tests.benchmark import made
from tests.made import golden
from tests.papers.made import training
from tests.pipeline.test_bundle_readme import MANIFESTS

FETCHING = {"src", "srcset", "poster", "action", "formaction", "data", "background", "ping", "manifest"}
VOID = {"meta", "br", "hr", "img", "link", "input", "path", "rect", "use"}
BOXES = "Array.from(document.querySelectorAll('svg'), each => each.getBoundingClientRect().toJSON())"
HOSTILE = "<script>alert('1')</script>\"' onload=\"x\" $\\frac{&amp; ![a](https://evil.example/x.png) \x07\ud800"
DATA = {"images": {"Training": 70, "PublicTest": 21}, "classes": list(LABELS), "sha256": "a" * 64}
PEAK = Peak(1, 50e9, "a made product", None, "nothing measures it here")


class _Page(HTMLParser):
    """What a browser would see of a page: tags, attributes, texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def require_harmless(self) -> None:
        """Assert that it runs nothing, fetches nothing, and that each id is there once."""
        assert not self.tags.keys() & {"script", "iframe", "object", "embed", "link", "base", "form", "img", "a"}
        for tag, name, value in self.attributes:
            assert not name.startswith("on") and name not in FETCHING, (tag, name)
            if name in ("href", "xlink:href"):
                assert value.startswith(("#", "data:image/png;base64,")), value
            assert not re.search(r"url\((?!#)|@import|javascript:", value), value
        style = "".join(text for text in self.texts if "prefers-color-scheme" in text)
        assert style and not re.search(r"url\(|@import", style)
        ids = Counter(value for _, name, value in self.attributes if name == "id")
        assert ids and set(ids.values()) == {1}
        referred = {each for *_, value in self.attributes for each in re.findall(r"url\(#([^)]+)\)", value)}
        assert referred <= ids.keys()


def _check(accuracy: float = 65.5, labels: tuple[str, ...] = LABELS) -> AccuracyCheck:
    confusion = [[10 + (row == column) * 20 for column in range(len(labels))] for row in range(len(labels))]
    scores = Scores(630, accuracy, 600, accuracy - 1, dict.fromkeys(labels, 33.3), confusion=confusion)
    return AccuracyCheck("PrivateTest", "ean in torch", scores, replace(scores, accuracy=66.0), 66 - accuracy, 98.5)


def _sources() -> Sources:
    known = [replace(MANIFESTS[0], training=replace(training("ean"), data=DATA)), MANIFESTS[2]]
    bundles = [Bundle(Path(each.name), each, "0" * 64) for each in known]
    results = [made.result(known[0].name, [made.run(), made.run(1.1, ["busy: others computed"])], counted=9_000_000)]
    results.append(replace(made.result(known[1].name, [made.run(2)]), tensors={"float": 40}, model_bytes=200_000))
    bench = replace(made.record(results), peaks=[PEAK])
    return Sources(bundles, [bench], {known[0].name: Checked(_check(), "0" * 64), known[1].name: Checked(_check(65.9))})


def _without_figures(text: str) -> str:
    """Figures are matplotlib's, whose every version draws a bit differently; edgefer's version changes too."""
    text = text.replace(f"edgefer {__version__}<", "edgefer 0.0.0<")
    return re.sub(r"(<svg [^>]*>).*?</svg>", r"\1</svg>", text, flags=re.DOTALL)


def test_the_page_is_the_golden_one() -> None:
    text = page(_sources())
    golden("report.html", _without_figures(text))
    parsed = _Page(text)
    parsed.require_harmless()
    assert parsed.tags["svg"] == 5, "two Pareto plots, a histogram each, a roofline"


def test_what_was_not_measured_says_so() -> None:
    whole = _sources()
    text = page(Sources(bundles=whole.bundles[1:]))
    for words in ("Not measured: the accuracy of this file", "Not measured: latency", "There is none of"):
        assert words in text
    assert "<svg" not in text
    text = page(Sources(benches=[replace(whole.benches[0], peaks=[])]))
    assert "Not measured: the machine's peak" in text
    assert "give the bundle's folder" in text
    unsaid = replace(whole.bundles[0], manifest=replace(whole.bundles[0].manifest, training=training("ean")))
    assert "the bundle's training record does not say" in page(Sources(bundles=[unsaid]))
    unknown = replace(whole.bundles[1].manifest, accuracy={"float": "not measured: no training record"})
    text = page(Sources(bundles=[replace(whole.bundles[1], manifest=unknown)]))
    assert "The float weights: not measured: no training record." in text
    emulated = replace(made.run(), samples=[], load_seconds=None, first_seconds=None)
    text = page(Sources(benches=[made.record([made.result("a.tflite-int8", [emulated])])]))
    assert "an emulator's times mean nothing" in text
    page(Sources())


def test_an_accuracy_of_other_files_is_not_that_of_these() -> None:
    whole = _sources()
    other = {name: Checked(each.check, "1" * 64) for name, each in whole.checks.items()}
    text = page(Sources(whole.bundles, [], other))
    assert text.count("its record is of other files of this name, verify again") == 2
    assert "65.50 %" not in text and "Confusion" not in text


def test_a_float_bundle_above_the_peak_is_told_of() -> None:
    whole = _sources()
    slow = replace(whole.benches[0], peaks=[replace(PEAK, fp32=1e9)])
    assert "what was measured as the peak is not" in page(Sources(benches=[slow]))


def test_names_are_no_markup() -> None:
    whole = _sources()
    labels = (f"{HOSTILE}a", f"{HOSTILE}b")
    card = replace(training("ean"), arch=HOSTILE, command=HOSTILE, data=DATA)
    contract = replace(MANIFESTS[0].contract, labels=labels, face=HOSTILE, grey=HOSTILE)
    first, second = (f"{HOSTILE}{end}" for end in (1, 2))
    bundles = [
        Bundle(Path("a"), replace(MANIFESTS[0], name=name, needs=HOSTILE, contract=contract, training=card), "0" * 64)
        for name in (first, second)
    ]
    warned = replace(made.run(), engine=HOSTILE, warnings=[RunWarning(WarningKind.BUSY, HOSTILE.replace("{", ""))])
    results = [made.result(first, [warned]), made.result(second, [made.run(2)])]
    bench = replace(made.record(results), versions={HOSTILE: HOSTILE}, left_out=[HOSTILE], peaks=[PEAK])
    checks = {first: Checked(_check(60, labels)), second: Checked(_check(61, labels))}
    text = page(replace(whole, bundles=bundles, benches=[bench], checks=checks))
    parsed = _Page(text)
    parsed.require_harmless()
    assert any("<script>alert('1')</script>" in each for each in parsed.texts)
    text.encode()


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_a_text_is_what_a_browser_reads(text: str, attribute: str) -> None:
    written = document("", "prefers-color-scheme", [element("p", text, title=attribute), of_markdown(text)])
    written.encode()
    parsed = _Page(written)
    assert parsed.tags.keys() - {"div", "p"} <= {
        *("html", "head", "meta", "title", "style", "body"),
        *("pre", "code", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "hr", "blockquote", "em", "strong", "br"),
    }
    if text.isprintable() and text.strip():
        assert text in parsed.texts
    if attribute.isprintable():
        assert ("p", "title", attribute) in parsed.attributes


def test_sources_are_told_apart(tmp_path: Path) -> None:
    bundle = made.bundle(tmp_path / "a.onnx-fp32")
    bench, checked = tmp_path / "bench.json", tmp_path / "checked.json"
    records.write(bench, _sources().benches[0])
    content = [
        {"bundle": "a.onnx-fp32", "bundle_sha256": bundle.sha256, "accuracy": records.plain(_check())},
        {"bundle": "b", "folder": "x"},
    ]
    checked.write_text(json.dumps(content))
    read = read_sources([bundle.folder, bench, checked])
    assert [each.manifest.name for each in read.bundles] == ["a.onnx-fp32"]
    assert read.checks == {"a.onnx-fp32": Checked(_check(), bundle.sha256)} and read.benches[0].peaks == [PEAK]
    checked.write_text(json.dumps({"bundles": {"a": {"accuracy": {"split": 1}}}}))
    for wrong in (checked, tmp_path / "none.json"):
        with pytest.raises((BadRecord, MissingFile)):
            read_sources([wrong])


def test_records_of_earlier_versions_have_no_peak(tmp_path: Path) -> None:
    content = records.plain(made.record([made.result("ean.tflite-int8", [made.run()])]))
    del content["peaks"]
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(content))
    assert read_sources([path]).benches[0].peaks == []


def test_the_peak_is_measured_on_so_many_threads() -> None:
    peak = measure(1)
    assert peak.threads == 1 and peak.fp32 > 1e8
    assert (peak.int8 is None) == bool(peak.int8_reason) and (peak.int8 is None or peak.int8 > 1e8)


@pytest.mark.long
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_it_without_a_request_and_without_scrolling_sideways(tmp_path: Path, width: int) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    file = tmp_path / "page.html"
    file.write_text(page(_sources()), "utf-8")
    asked: list[str] = []
    complaints: list[str] = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        colours = set()
        for scheme in ("light", "dark"):
            shown = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            shown.on("request", lambda request: asked.append(request.url))
            shown.on("console", lambda message: complaints.append(message.text))
            shown.goto(file.as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth") == width
            assert all(box["width"] > 200 for box in shown.evaluate(BOXES))
            colours.add(shown.evaluate("getComputedStyle(document.querySelector('svg text')).fill"))
        browser.close()
    assert asked == [file.as_uri()] * 2 and complaints == []
    assert len(colours) == 2, "text of figures is as dark or light as the page's"
