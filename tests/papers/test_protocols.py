"""The papers' protocols, as they lie in benchmarks/papers/."""

from __future__ import annotations

import pytest

from edgefer.papers import paper_files, protocols
from edgefer.runtime.errors import UnknownName
from tests.bare import BESIDE


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


def test_printed_is_what_the_protocol_measures() -> None:
    load = protocols.protocol("lcnn-table5").printed
    assert load["LCNN"] == {"cpu": 17.5, "us": 21.12, "sy": 2.65, "mem": 3.1}
    assert list(load) == ["VGG-Net", "ResNet-50", "CNN", "LCNN"]
    assert protocols.protocol("microexpnet-table7").printed["PPDN"] == {"i7-7700HQ": 17.73, "GTX1050": 5.55}
    assert "RASN" not in protocols.protocol("mit-table2").printed  # a dash


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownName, match="ean-table5"):
        protocols.protocol("ean-table6")


@pytest.mark.parametrize("name", paper_files.papers())
def test_the_quotes_are_in_the_papers(name: str) -> None:
    text = BESIDE / "papers" / f"{name}.txt"
    if not text.is_file():
        pytest.skip("needs the papers' texts beside the clone")
    said = (
        " ".join(text.read_text(encoding="utf-8").split()).replace("\N{MULTIPLICATION SIGN}", "x").replace(" x ", "x")
    )
    for method in paper_files.paper(name).protocols.values():
        if "; " not in method.quote:  # Table 4 of LCNN: four footnotes put together
            assert method.quote.replace(" x ", "x") in said
