"""Every failure takes a message, keeps its exit code, and is told on by another process as what it was."""

from __future__ import annotations

import pytest

from edgefer.runtime import errors
from edgefer.runtime.errors import EdgeferError, MissingEngine, SeveralFailures, UnknownName, of_kind

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EdgeferError)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_another_process_told_of_is_the_same_failure(kind: type[EdgeferError]) -> None:
    error = of_kind(kind.__name__, str(kind("it is\nbroken")))
    assert type(error) is kind
    assert (str(error), error.exit_code) == ("it is broken", kind.exit_code)


@pytest.mark.parametrize("name", ["Exception", "one_line", "annotations", "", "Gone"])
def test_a_kind_that_is_none_is_a_failure_without_a_kind(name: str) -> None:
    assert type(of_kind(name, "x")) is EdgeferError


def test_messages_of_what_is_missing() -> None:
    unknown = UnknownName.of("layout", "kedf", ["kdef", "ck+"])
    assert str(unknown) == "unknown layout 'kedf': did you mean kdef? known: kdef, ck+."
    assert "edgefer[onnx]" in str(MissingEngine.of("onnxruntime", "onnx"))


def test_several_failures_have_the_first_ones_code() -> None:
    failures = [errors.BadData("one."), errors.NoGpu("two.")]
    several = SeveralFailures.of(failures)
    assert (str(several), several.exit_code, several.parts) == ("one. two.", 5, failures)
    assert SeveralFailures.of(failures, highest=True).exit_code == 25
