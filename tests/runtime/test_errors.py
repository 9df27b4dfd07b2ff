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


def test_a_line_is_never_long() -> None:
    for text in ("x" * 5_000, "\n" * 99, "\x1b" * 5_000, "word " * 2_000_000, "a" * errors.MESSAGE_LIMIT):
        said = str(EdgeferError(text))
        assert len(said) <= errors.MESSAGE_LIMIT and said.isprintable()
    assert str(EdgeferError("a" * 3_000 + "z" * 1_000)).startswith("aaa")
    assert str(EdgeferError("a" * 3_000 + "z" * 1_000)).endswith("zzz")
    assert "characters left out" in str(EdgeferError("a" * 4_000))


def test_the_first_few_and_a_count() -> None:
    assert errors.listed("abc") == "a, b, c"
    assert errors.listed(range(1_007)) == "0, 1, 2, 3, 4 and 1,002 more"
    assert len(errors.listed(["x" * 9_999] * 9)) < 1_100
