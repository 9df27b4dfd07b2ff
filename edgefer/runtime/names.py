"""What a name may be: those of bundles, networks, targets and devices become parts of paths and commands."""

from __future__ import annotations

import re

NAMES_ARE = "a name has letters, digits, dots, - and _, begins with a letter or digit, and is at most 100 long"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_name(text: str) -> bool:
    """Whether a text can be a name; see NAMES_ARE."""
    return _NAME.fullmatch(text) is not None
