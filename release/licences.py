"""`make licences`: the table of packages in docs/licences.md, made by pip-licenses of the development environment.

The rest of that page is written and checked by hand. `python release/licences.py PYTHON` looks at another environment.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE, LOCK = ROOT / "docs" / "licences.md", ROOT / "release" / "dev.lock"
BEGIN, END = "<!-- made by `make licences`, from here -->\n", "<!-- to here -->\n"
UNLOCKED = ("torch",)  # from the index at hand
BY_HAND = {"torchao": "BSD-3-Clause"}  # it tells only in its file LICENSE
STRICT = re.compile(r"GPL|MPL|Mozilla|EPL|Eclipse|Proprietary|Other|UNKNOWN", re.IGNORECASE)


def main() -> None:
    """Write the table anew."""
    tool = Path(sys.executable).with_name("pip-licenses")
    python = Path(sys.argv[1]) if sys.argv[1:] else ROOT / ".venv" / "bin" / "python"
    line = [str(tool), "--python", str(python), "--from", "mixed", "--format", "json", "--with-system"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {*locked(LOCK.read_text("utf-8")), *UNLOCKED}
    found = {normal(each["Name"]) for each in json.loads(done.stdout)}
    missing = sorted(names - found)
    if missing:
        print(f"not installed here, so not in the table: {', '.join(missing)}")
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), table(json.loads(done.stdout), names, extras(project))), "utf-8")


def normal(name: str) -> str:
    """A package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> list[str]:
    """The packages of a lock file."""
    return sorted({normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)})


def extras(project: Mapping[str, Any]) -> dict[str, list[str]]:
    """Which extras of edgefer ask for a package by name; `edgefer` is what every installation has."""
    wanted = {"edgefer": project["dependencies"], **project["optional-dependencies"]}
    by_package: dict[str, list[str]] = {}
    for extra, lines in wanted.items():
        for line in lines:
            name = re.match(r"[A-Za-z0-9._-]+", line)
            assert name is not None
            if normal(name[0]) != "edgefer":
                by_package.setdefault(normal(name[0]), []).append(extra)
    return by_package


def table(found: Iterable[Mapping[str, str]], names: Iterable[str], by_package: Mapping[str, list[str]]) -> str:
    """A row for each of these packages; licences that ask for more than a notice are bold."""
    wanted = set(names)
    lines = ["| package | version | licence | asked for by |", "| --- | --- | --- | --- |"]
    for each in sorted(found, key=lambda each: normal(each["Name"])):
        name = normal(each["Name"])
        if name in wanted:
            licence = BY_HAND.get(name) or short(each["License"])
            asked = ", ".join(by_package.get(name, ["another package"]))
            lines.append(
                f"| {name} | {each['Version']} | {f'**{licence}**' if STRICT.search(licence) else licence} | {asked} |"
            )
    return "\n".join(lines) + "\n"


def short(licence: str) -> str:
    """On one line, and without what breaks a table: some packages give a licence's whole text."""
    line = next((line.strip() for line in licence.splitlines() if line.strip()), "UNKNOWN")
    return " or ".join(part.strip() for part in line.split("|"))[:160]


def replaced(page: str, made: str) -> str:
    """The page with another table between its marks."""
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    main()
