"""Checksums of every target of every network that ships weights, to show that a change leaves bundles as they were.

    python benchmarks/bundle_checksums.py > before.json        # at one commit
    python benchmarks/bundle_checksums.py > after.json         # at another, on the same machine and packages
    diff before.json after.json

Bundles are built by `edgefer build` in processes of their own, from recorded ranges.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

TOP = Path(__file__).parents[1]


def main() -> None:
    """Print {bundle: {file: SHA-256}} as JSON; progress goes to standard error."""
    archs = sorted(path.stem for path in (TOP / "edgefer" / "weights").glob("*.safetensors"))
    targets = tomllib.loads((TOP / "targets" / "targets.toml").read_text(encoding="utf-8"))
    sums: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for arch in archs:
            line = [sys.executable, "-m", "edgefer", "build", "--arch", arch, "--out", scratch]
            line += [word for target in targets for word in ("--target", target)]
            subprocess.run(line, cwd=TOP, check=True, stdout=sys.stderr)
        for folder in sorted(Path(scratch).iterdir()):
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            sums[folder.name] = {
                path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
            }
    print(json.dumps(sums, indent=1))


if __name__ == "__main__":
    main()
