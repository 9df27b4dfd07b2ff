"""`edgefer report --html` on the command line."""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path

import pytest

from edgefer.runtime import records
from tests.benchmark.made import bundle, record, result
from tests.benchmark.made import run as measured
from tests.cli.made import Run


def test_a_page_of_a_bundle_and_a_bench(run: Run, tmp_path: Path) -> None:
    folder, bench, out = bundle(tmp_path / "a.onnx-fp32").folder, tmp_path / "bench.json", tmp_path / "page.html"
    records.write(bench, record([result("a.onnx-fp32", [measured()])]))
    assert run("report", folder, "--html", out).fine() == f"wrote {out}\n"
    assert "Not measured: latency" in out.read_text()
    printed = run("report", folder, bench, "--html", out).fine()
    assert "x86/a.onnx-fp32" in printed and printed.endswith(f"wrote {out}\n")
    assert "<svg" in out.read_text() and "Not measured: latency" not in out.read_text()
    ran = run("report", folder, bench, "--html", out, "--json")
    assert json.loads(ran.out)["device"] == "x86" and ran.err == f"wrote {out}\n"


def test_what_goes_with_html(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = bundle(tmp_path / "a.onnx-fp32").folder, tmp_path / "page.html"
    ran = run("report", folder)
    assert ran.code == 2 and "is a folder: bundles go with --html" in ran.err
    ran = run("report", folder, "--html", out, "--json")
    assert ran.code == 2 and "none is among the FILEs" in ran.err and not out.exists()
    run("report", tmp_path / "none.json", "--html", out).fails(4, "none.json")
    run("report", folder, "--html", folder / "manifest.json" / "page.html").fails(13, "manifest.json")
    (folder / "manifest.json").write_text("{}")
    run("report", folder, "--html", out).fails(11, "a.onnx-fp32")
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    run("report", folder, "--html", out).fails(14, "edgefer[train]")
