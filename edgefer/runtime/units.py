"""The only formatter of seconds, bytes, percent and counts. Three digits that count, and the unit."""

from __future__ import annotations

ABSENT = "-"


def seconds(value: float | None) -> str:
    """0.00013 -> 130 µs; from a millisecond on ms, from a second on s."""
    if value is None:
        return ABSENT
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if abs(value) >= size * 0.9995:  # what would be rounded up to 1 is
            return f"{_digits(value / size)} {unit}"
    return f"{_digits(value * 1e6)} µs"


def milliseconds(value: float | None) -> str:
    """Always in ms, to be read down a column: 0.00013 -> 0.130 ms."""
    return ABSENT if value is None else f"{_digits(value * 1e3)} ms"


def mebibytes(value: int | None) -> str:
    """1572864 -> 1.50 MiB."""
    return ABSENT if value is None else f"{_digits(value / 2**20)} MiB"


def size(value: int | None) -> str:
    """All digits of a file's size: 114568 -> 114,568 B."""
    return ABSENT if value is None else f"{value:,} B"


def percent(value: float | None) -> str:
    """12.345 -> 12.3 %."""
    return ABSENT if value is None else f"{value:.1f} %"


def millions(value: int | None) -> str:
    """4568040 -> 4.57 M."""
    return ABSENT if value is None else f"{_digits(value / 1e6)} M"


def count(value: int | None) -> str:
    """43840 -> 43,840."""
    return ABSENT if value is None else f"{value:,}"


def counted(number: int, what: str) -> str:
    """1 -> 1 thread, 2000 -> 2,000 threads, of what forms its plural by an s."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def rate(value: float | None) -> str:
    """Frames a second: 12345.6 -> 12,346, 0.5 -> 0.500."""
    return ABSENT if value is None else f"{value:,.0f}" if value >= 1000 else _digits(value)


def megahertz(value: float | None) -> str:
    """2600000000.0 -> 2600 MHz."""
    return ABSENT if value is None else f"{value / 1e6:.0f} MHz"


def celsius(value: float | None) -> str:
    """51.3 -> 51 °C."""
    return ABSENT if value is None else f"{value:.0f} °C"


def _digits(value: float) -> str:
    for limit, places in ((1, 3), (10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{places}f}"
    return f"{value:,.0f}"
