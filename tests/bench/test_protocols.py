"""The papers' protocols, as they lie in benchmarks/papers/."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edgefer import records, resources
from edgefer.bench import protocols
from edgefer.bench.protocols import Protocol
from edgefer.errors import BadRecord, UnknownName


def test_all_are_there() -> None:
    known = {"ean-table5", "microexpnet-table7", "mit-table2", "lcnn-table4", "lcnn-table5"}
    assert known <= protocols.protocols().keys()


@pytest.mark.parametrize("name", protocols.protocols())
def test_each_has_its_source(name: str) -> None:
    found = protocols.protocol(name)
    assert found.paper
    assert found.table.startswith("Table")
    assert found.quote
    assert found.printed
    settings = found.settings(threads=2)
    assert (settings.samples, settings.batch, settings.threads) == (found.samples, found.batch, 2)
    assert settings.seconds is None


def test_what_they_say() -> None:
    ean, mit = protocols.protocol("ean-table5"), protocols.protocol("mit-table2")
    assert (ean.samples, ean.batch, ean.statistic, ean.printed["EAN"]) == (1000, 1, "mean", {"latency": 1.985})
    assert (mit.mode, mit.samples, mit.batch) == ("batch", 300, 48)
    assert protocols.protocol("lcnn-table5").statistic == "usage"


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownName, match="ean-table5"):
        protocols.protocol("ean-table6")


def test_an_unknown_key_is_an_error() -> None:
    path = resources.folder("benchmarks") / "papers" / "kong2022-ean.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    content["ean-table5"]["page"] = 7
    with pytest.raises(BadRecord, match="page"):
        records.structure(dict[str, Protocol], content, str(path))


@pytest.mark.parametrize(
    "file", sorted((resources.folder("benchmarks") / "papers").glob("*.toml")), ids=lambda p: p.stem
)
def test_the_quotes_are_in_the_papers(file: Path) -> None:
    text = Path(__file__).parents[3] / "shared" / "papers" / f"{file.stem}.txt"
    if not text.is_file():
        pytest.skip("needs the papers' texts beside the clone")
    said = (
        " ".join(text.read_text(encoding="utf-8").split()).replace("\N{MULTIPLICATION SIGN}", "x").replace(" x ", "x")
    )
    for table in tomllib.loads(file.read_text(encoding="utf-8")).values():
        if "; " not in table["quote"]:  # Table 4 of LCNN: four footnotes put together
            assert table["quote"].replace(" x ", "x") in said
