"""edgefer count: what it prints."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from edgefer.cli.count import count
from edgefer.runtime.errors import UnknownName


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(count, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_printed_stands_beside_counted() -> None:
    lines = [" ".join(line.split()) for line in _run("ean").splitlines()]
    assert "ean: one image of 44x44x3, 7 classes" in lines
    assert "ptflops Kong et al., Table 1 5.054 M 5.054 M 1.000" in lines
    assert "torchsummary Kong et al., Table 5 3.902 MB 3.902 MB 1.000" in lines
    assert any(line.startswith("43,843 (Kong et al., Table 3): the paper's slip: 43,840 in Table 6") for line in lines)


def test_layers_list_functions_too() -> None:
    lines = [" ".join(line.split()) for line in _run("mit-fusion", "--layers").splitlines()]
    assert "matmul matmul 1x3136x49 4,917,248" in lines
    assert "stages.0.embed Conv2d 32x56x56 4,736 14,751,744 14,852,096" in lines


def test_json_adds_up() -> None:
    record = json.loads(_run("microexpnet-xxs", "--json", "--layers"))
    assert (record["arch"], record["classes"], record["parameters"]) == ("microexpnet-xxs", 8, 71_368)
    assert sum(layer["parameters"] for layer in record["layers"]) == record["parameters"]
    assert record["printed"][0]["ratio"] == 1.0
    assert record["peak"]["float32"] == 4 * record["peak"]["int8"]
    assert record["unknown"] == []


def test_classes_can_be_chosen() -> None:
    assert json.loads(_run("microexpnet-xxs", "--json", "--classes", "7"))["parameters"] == 71_368 - 17


def test_unknown_network_is_refused() -> None:
    with pytest.raises(UnknownName, match="microexpnet"):
        count.main(["microexpnet-xxl"], standalone_mode=False)
