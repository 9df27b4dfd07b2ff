"""The counts that are kept are those of the networks as they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgefer.arch import ARCHS, get_arch
from edgefer.papers import count_networks, counts, evidence, paper_files
from edgefer.papers.counts import Counts
from edgefer.runtime import files, records
from edgefer.runtime.files import shipped_folder

RESULTS = shipped_folder("benchmarks") / "results"
KEPT = records.read(Counts, RESULTS / counts.FILE)
CELLS = [cell for _, table in paper_files.tables().values() for cell in table.cells]


def test_they_are_of_these_sources() -> None:
    assert KEPT.sources == counts.code_checksum("arch"), "run edgefer tables --all --out benchmarks/tables"
    assert KEPT.networks.keys() == ARCHS.keys()


@pytest.mark.parametrize("name", ARCHS)
def test_each_network_counts_so(name: str) -> None:
    arch = get_arch(name)
    assert count_networks.count_figures(arch) == KEPT.networks[name]
    assert count_networks.layer_shapes(arch, CELLS) == KEPT.shapes.get(name, {})


@pytest.mark.parametrize("name", ["microexpnet-m", "microexpnet-s", "microexpnet-xs", "microexpnet-xxs", "lcnn"])
def test_each_checkpoint_is_so_long(name: str) -> None:
    weights_and_moments = 3 * 4 * KEPT.networks[name]["parameters"]
    assert count_networks.checkpoint_bytes(get_arch(name)) == KEPT.checkpoints[name]
    assert weights_and_moments < KEPT.checkpoints[name] < weights_and_moments + 90_000


def test_counts_of_other_sources_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_networks, "count_all", lambda: KEPT)
    stale = Counts("another", "2.0", {}, {}, {})
    records.write(tmp_path / counts.FILE, stale)
    assert evidence.load_counts(tmp_path) == KEPT
    assert records.read(Counts, tmp_path / counts.FILE) == KEPT


def test_rendering_needs_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from edgefer.runtime.files import shipped_folder; "
        "from edgefer.papers import evidence, paper_files, paper_table; "
        "from edgefer.runtime.terminal_table import markdown; "
        "records = evidence.read_records(shipped_folder('benchmarks') / 'results'); "
        "tables = [paper_table.compare_table(name, records) for name in paper_files.tables()]; "
        "paper_table.page(tables, markdown); "
        "print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_comment_a_docstring_or_an_import_changes_no_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(files.PACKAGE / "arch", tmp_path / "arch", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(counts, "PACKAGE", tmp_path)
    for path in (tmp_path / "arch").rglob("*.py"):
        text = path.read_text().replace('"""', '"""Of another kind. ', 1).replace("    return ", "    return  ")
        path.write_text(f"{text}\n\n# Of edgefer.\nimport math  # noqa\n")
    assert counts.code_checksum("arch") == KEPT.sources
    (tmp_path / "arch/ean.py").write_text((tmp_path / "arch/ean.py").read_text() + "SIDE = 44\n")
    assert counts.code_checksum("arch") != KEPT.sources
