"""Frozen dataclasses written as JSON, and the one reader of them.

A record that is kept in a file has a field `schema`, whose default is the schema that its kind declares; another one
is refused by name. All schemas are at version 1.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, get_args

from edgefer.runtime.errors import BadRecord, MissingFile, UnknownSchema, has_controls, listed
from edgefer.runtime.files import RECORD_LIMIT, TOML_LIMIT, read_text, write_atomic

T = TypeVar("T")
GET_AGAIN = "get or build it again"
_EXPLAINED = 20_000  # values of a content whose every fault is looked for


@cache
def _converter(detailed: bool = False) -> Any:
    """What reads and writes records; a `detailed` one gathers all that is wrong, a kilobyte for each fault."""
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, detailed_validation=detailed)
    converter.register_structure_hook_func(_is_text, _from_text)
    converter.register_unstructure_hook_func(_is_text, str)
    one_by_one = converter.get_structure_hook(list[float])  # names the place of a wrong value
    converter.register_structure_hook_func(
        lambda kind: kind == list[float],
        lambda content, kind: list(content) if _are_floats(content) else one_by_one(content, kind),
    )
    return converter


def _are_floats(content: Any) -> bool:
    """Whether it is a list of numbers with a point and nothing else, as raw samples are: they need no second look."""
    return isinstance(content, list) and set(map(type, content)) == {float}


def _is_text(kind: Any) -> bool:
    """Whether records of a kind are written as the text that `str` gives, which its `from_text` reads again."""
    return hasattr(kind, "from_text")


def _from_text(text: Any, kind: Any) -> Any:
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    return kind.from_text(text)


def structure(kind: type[T], content: Any, source: str, remedy: str = GET_AGAIN) -> T:
    """`content` (from JSON or TOML) as a `kind`; raises BadRecord naming `source` and what is wrong."""
    try:
        result: T = _converter().structure(content, kind)
    except Exception as error:  # cattrs raises whatever the wrong value provokes
        detail = _detail(kind, content) or f"{type(error).__name__}: {error!s:.300}"
        row = next(reversed(get_args(kind)), kind)  # of dict[str, Target], Target
        keys = ", ".join(getattr(row, "__dataclass_fields__", {}))
        raise BadRecord(f"{source}: {detail}. {row.__name__} has the keys {keys}: correct it, or {remedy}.") from error
    return result


def _detail(kind: type[Any], content: Any) -> str:
    """What is wrong with the content, and where; "" where that is not found, or would take too much memory."""
    if next(islice(_values(content), _EXPLAINED, None), None) is not None:
        return ""
    try:
        _converter(detailed=True).structure(content, kind)
    except Exception as error:
        return listed(_faults(error, "", None), between="; ")
    return ""


def _values(content: Any) -> Iterator[Any]:
    """All values of a JSON content."""
    inner = content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ()
    yield content
    for value in inner:
        yield from _values(value)


def _faults(error: BaseException, path: str, kind: type[Any] | None) -> Iterator[str]:
    """Each fault that cattrs found, and where."""
    from cattrs import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
    from cattrs.v import format_exception

    if isinstance(error, ClassValidationError | IterableValidationError):
        noted, others = error.group_exceptions()
        for each, note in noted:
            step = f".{note.name}" if isinstance(note, AttributeValidationNote) else f"[{note.index!r:.80}]"
            yield from _faults(each, path + step, note.type)
        for each in others:
            yield from _faults(each, path, None)
    elif isinstance(error, ForbiddenExtraKeysError):
        yield f"extra fields found ({listed(sorted(error.extra_fields))}) @ {path}"
    else:
        yield f"{format_exception(error, kind)} @ {path}"


def plain(record: object) -> Any:
    """A record, or a list or dict of records, as what JSON knows."""
    return _converter().unstructure(record)


def dumps(record: object, ascii_only: bool = False) -> str:
    """A record as JSON, keys in the order of its fields, ending in a newline; ascii_only escapes all else.

    Raises BadRecord for a number that is not finite, which JSON has no word for.
    """
    content = plain(record)
    try:
        return json.dumps(content, indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n"
    except ValueError as error:
        where = listed(_not_finite(content, ""), between="; ")
        if not where:
            raise
        raise BadRecord(f"no record can hold {where}: what was computed is not a finite number.") from error


def canonical(record: object) -> bytes:
    """A record as the one JSON that it has: keys sorted, no spaces, all but ASCII escaped; what is signed is that.

    Raises ValueError for a number that is not finite.
    """
    text = json.dumps(plain(record), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def _not_finite(content: Any, path: str) -> Iterator[str]:
    """The numbers that are not finite, as `path = value`."""
    if isinstance(content, float) and not isfinite(content):
        yield f"{path or 'the value'} = {content}"
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _not_finite(value, _inner(path, key))
    elif isinstance(content, list | tuple) and not (_are_floats(content) and all(map(isfinite, content))):
        for index, value in enumerate(content):
            yield from _not_finite(value, f"{path}[{index}]")


def _inner(path: str, key: object) -> str:
    """The place of a key's value; a long key would be copied for each value inside."""
    return f"{path}.{key!s:.80}" if path else f"{key!s:.80}"


def _with_controls(content: Any, path: str) -> Iterator[str]:
    """The texts with control characters, as `path = text`."""
    if isinstance(content, str) and has_controls(content):
        yield f"{path or 'the value'} = {content!r:.100}"
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if has_controls(str(key)):
                yield f"a key of {path or 'the record'} = {key!r:.100}"
            yield from _with_controls(value, _inner(path, key))
    elif isinstance(content, list | tuple) and not _are_floats(content):
        for index, value in enumerate(content):
            yield from _with_controls(value, f"{path}[{index}]")


def write(path: Path, record: object) -> None:
    """Write a record as JSON, atomically."""
    write_atomic(path, dumps(record).encode())


def read(kind: type[T], path: Path, remedy: str = GET_AGAIN, finite: bool = True) -> T:
    """Read a record of this kind; see `read_any`. Without `finite` the caller refuses numbers that are not."""
    return parse_any((kind,), _text(path, remedy), str(path), remedy, finite, plain_text=True)


def read_any(kinds: Sequence[type[T]], path: Path, remedy: str = GET_AGAIN) -> T:
    """Read a record of one of these kinds, which its schema tells apart; `remedy` ends each message: what to do.

    Raises MissingFile, BadRecord or UnknownSchema.
    """
    return parse_any(kinds, _text(path, remedy), str(path), remedy, plain_text=True)


def parse(kind: type[T], text: str, source: str, remedy: str = GET_AGAIN, plain_text: bool = False) -> T:
    """A record of this kind from its JSON; raises BadRecord or UnknownSchema, naming `source`; see `parse_any`."""
    return parse_any((kind,), text, source, remedy, plain_text=plain_text)


def parse_any(
    kinds: Sequence[type[T]], text: str, source: str, remedy: str, finite: bool = True, plain_text: bool = False
) -> T:
    """The same for one of several kinds.

    Python's reader takes NaN and Infinity, which JSON has not and earlier versions wrote: they are refused by name.
    `plain_text` refuses texts with control characters, as of all that comes from a file: an escape sequence or a line
    break could make a terminal or a log say what edgefer does not.
    """
    try:
        return _parse_any(kinds, parse_json(text, source, remedy), source, remedy, finite, plain_text)
    except RecursionError as error:
        raise BadRecord(f"{source} is nested deeper than a record is: {remedy}.") from error


def _parse_any(kinds: Sequence[type[T]], content: Any, source: str, remedy: str, finite: bool, plain_text: bool) -> T:
    broken = next(_not_finite(content, ""), None) if finite else None
    if broken is not None:
        raise BadRecord(f"{source} holds {broken}, which is no finite number: {remedy}.")
    if plain_text:
        control = next(_with_controls(content, ""), None)
        if control is not None:
            raise BadRecord(f"{source} has a control character in {control}: {remedy}.")
    schema = schema_of(content)
    for kind in kinds:
        if declared_schema(kind) in (None, schema):
            return structure(kind, content, source, remedy)
    refusal = UnknownSchema if isinstance(content, dict) else BadRecord
    raise refusal(
        f"{source} has the schema {schema!r:.100}, this edgefer reads "
        f"{' and '.join(repr(declared_schema(kind)) for kind in kinds)}: {remedy}."
    )


def read_json(path: Path, remedy: str = GET_AGAIN) -> Any:
    """What a JSON file holds, of whatever kind; raises MissingFile or BadRecord."""
    return parse_json(_text(path, remedy), str(path), remedy)


def read_toml(path: Path, remedy: str = "correct it") -> dict[str, Any]:
    """What a TOML file of at most TOML_LIMIT bytes holds; raises MissingFile or BadRecord."""
    try:
        return tomllib.loads(_text(path, remedy, TOML_LIMIT, "TOML"))
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{path} is not TOML ({error}): {remedy}.") from error


def declared_schema(kind: type[Any]) -> str | None:
    """The schema of a kind of record: the default of its field `schema`; None if it has no such field."""
    declared = kind.__dataclass_fields__.get("schema")
    return None if declared is None else str(declared.default)


def schema_of(content: Any) -> object:
    """What the JSON of a record says its schema is, if it says anything."""
    return content.get("schema") if isinstance(content, dict) else None


def _text(path: Path, remedy: str, limit: int = RECORD_LIMIT, kind: str = "JSON") -> str:
    try:
        return read_text(path, limit)
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror}): check the path, or {remedy}.") from error
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path} is not {kind} ({error}): {remedy}.") from error


def parse_json(text: str, source: str, remedy: str = GET_AGAIN) -> Any:
    """What JSON holds, of whatever kind; raises BadRecord, naming `source`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{source} is not JSON ({error}): {remedy}.") from error
