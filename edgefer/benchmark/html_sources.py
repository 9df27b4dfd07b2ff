"""What a page is of, read from the files and folders that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgefer.benchmark.report import read_bench
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Result
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.errors import BadRecord
from edgefer.runtime.manifest import Manifest
from edgefer.runtime.verify import AccuracyCheck

VERIFY = "edgefer verify BUNDLE --data PATH --json > FILE, and give that file"
BENCH = "edgefer bench BUNDLE --out FILE, and give that file"


@dataclass(frozen=True)
class Checked:
    """An accuracy, and the checksum of the bundle that it is of; None: its record does not say."""

    check: AccuracyCheck
    sha256: str | None = None


@dataclass(frozen=True)
class Sources:
    """What a page is of: opened bundles, benches, and accuracies by the bundle's name."""

    bundles: list[Bundle] = field(default_factory=list)
    benches: list[BenchRecord] = field(default_factory=list)
    checks: dict[str, Checked] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The bundles' names, in the order in which they were given."""
        benched = (result.bundle for record in self.benches for result in record.results)
        return list(dict.fromkeys([*(each.manifest.name for each in self.bundles), *benched, *self.checks]))

    @property
    def detailed(self) -> list[str]:
        """The bundles with a section of their own: those that were given or benched, else all."""
        return [name for name in self.names if self.manifest(name) or self.results(name)] or self.names

    def manifest(self, name: str) -> Manifest | None:
        """What is known of the bundle, if it was given."""
        return next((each.manifest for each in self.bundles if each.manifest.name == name), None)

    def sha256(self, name: str) -> str | None:
        """The checksum of the bundle of this name, if it was given or benched."""
        given = (each.sha256 for each in self.bundles if each.manifest.name == name)
        return next(given, None) or next((result.bundle_sha256 for result in self.results(name)), None)

    def check(self, name: str, sha256: str | None) -> AccuracyCheck | None:
        """The accuracy of the bundle of this name and checksum; None if there is none, or one of other files."""
        found = self.checks.get(name)
        other = found is not None and None not in (found.sha256, sha256) and found.sha256 != sha256
        return None if found is None or other else found.check

    def results(self, name: str) -> list[Result]:
        """What was measured of the bundle."""
        return [result for record in self.benches for result in record.results if result.bundle == name]


def read_sources(paths: Sequence[Path]) -> Sources:
    """Bundles (folders), benches, and what `edgefer verify --data --json` printed; raises what reading them does."""
    sources = Sources()
    for path in paths:
        if path.is_dir():
            sources.bundles.append(read_bundle(path))
            continue
        content = records.read_json(path, "give a bundle's folder, or a record of edgefer's")
        entries = _verified(content)
        if entries is None:
            sources.benches.extend(read_bench(path))
        for name, entry in entries or ():
            if entry.get("accuracy"):
                check = records.structure(AccuracyCheck, entry["accuracy"], f"{path}: {name}")
                sources.checks[name] = Checked(check, entry.get("bundle_sha256"))
    return sources


def _verified(content: Any) -> list[tuple[str, dict[str, Any]]] | None:
    """The entries of a record of accuracies by the bundle's name; None if the content is another record."""
    if isinstance(content, dict) and isinstance(content.get("bundles"), dict):
        entries = list(content["bundles"].items())
    elif isinstance(content, list):
        entries = [(each.get("bundle") or "", each) for each in content if isinstance(each, dict)]
    else:
        return None
    if not all(isinstance(name, str) and isinstance(entry, dict) for name, entry in entries):
        raise BadRecord("an accuracy is not where `edgefer verify --data --json` writes it: verify again.")
    return entries
