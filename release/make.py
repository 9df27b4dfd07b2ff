"""`make release`: the wheel and the sdist, built twice and compared, with an SBOM and checksums, in dist/.

Each build is of its own copy of the last commit, in a folder of another name, so nothing that lies about gets in.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SBOM, SUMS = "edgefer-{version}.cdx.json", "SHA256SUMS"
CODE = (".c", ".css", ".h", ".html", ".js", ".kt", ".kts", ".ld", ".py", ".sh", ".swift")
TEXTS = (".json", ".md", ".png", ".safetensors", ".toml", ".txt", ".typed")
KINDS = (*CODE, *TEXTS)  # of files in the wheel; data sets and videos have others
LARGEST = 8 << 20  # bytes of the wheel
LEFT = """\
left to a person:
  read CHANGELOG.md's part on {version}, and docs/licences.md where packages changed
  try the wheel: pip install 'dist/edgefer-{version}-py3-none-any.whl[build]', then the README's first commands
  run what no machine here has: a GPU, a physical board, a phone, macOS
  git tag v{version}; sign SHA256SUMS; upload the wheel, the sdist, the SBOM and SHA256SUMS"""


class Refused(Exception):
    """Why there is no release."""


def main() -> None:
    """Build, check, compare, write."""
    try:
        version = release(ROOT, ROOT / "dist", sys.argv[1] if sys.argv[1:] else ".venv/bin/python")
    except Refused as refusal:
        sys.exit(f"release: {refusal}")
    print(f"version {version}: dist/ has the wheel, the sdist, an SBOM and {SUMS}")
    print(LEFT.format(version=version))


def release(root: Path, out: Path, python: str) -> str:
    """Write the release of the last commit into `out`; `python` is of the environment that the SBOM names.

    Returns the version.
    """
    dirty = run(["git", "status", "--porcelain"], root).splitlines()
    if dirty:
        raise Refused(f"the tree is not as committed ({dirty[0].strip()}, {len(dirty)} in all): commit or remove that.")
    tracked = run(["git", "ls-files"], root).splitlines()
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix="edgefer-release-") as temporary:
        first, second = (build(root, Path(temporary) / name) for name in ("one", "the-second"))
        differing = unequal(first, second)
        if differing:
            raise Refused(f"two builds of one commit differ in {', '.join(differing)}.")
        (wheel,) = (name for name in first if name.endswith(".whl"))
        version = wheel.split("-")[1]
        faults = wheel_faults(Path(temporary) / "one" / "dist" / wheel, expected(tracked, project))
        if faults:
            raise Refused(f"{wheel}: {'; '.join(faults[:5])} ({len(faults)} in all).")
        if f"## {version}" not in (root / "CHANGELOG.md").read_text("utf-8"):
            raise Refused(f"CHANGELOG.md has no part on {version}.")
        files = first | {SBOM.format(version=version): sbom(root, python)}
    out.mkdir(exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    (out / SUMS).write_text(sums(files), "utf-8")
    return version


def run(line: list[str], folder: Path) -> str:
    """What a command prints; raises Refused with what it complained of."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(line[:4])} failed: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout


def build(root: Path, folder: Path) -> dict[str, bytes]:
    """The wheel and the sdist of the last commit, by name; `folder` gets the copy that they are built from."""
    folder.mkdir()
    run(["git", "archive", "--output", str(folder / "tree.tar"), "HEAD"], root)
    run(["tar", "--extract", "--file", "tree.tar"], folder)
    (folder / "tree.tar").unlink()
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."], folder)
    return {path.name: path.read_bytes() for path in sorted((folder / "dist").iterdir())}


def unequal(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """The files whose bytes differ, or that one of the two lacks."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def expected(tracked: Iterable[str], project: Mapping[str, Any]) -> set[str]:
    """The files that git knows, as the wheel names them; where to is in pyproject.toml."""
    target = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    moves = {name: name for name in target["packages"]} | target["force-include"]
    names = set()
    for path in tracked:
        for source, into in moves.items():
            if path == source or path.startswith(f"{source}/"):
                names.add(into + path.removeprefix(source))
    return names


def wheel_faults(wheel: Path, wanted: set[str]) -> list[str]:
    """What is in the wheel and not in git, the other way round, of a kind that does not ship, or too large."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    shipped = {name for name in names if ".dist-info/" not in name}
    faults = [f"{name} is not in git" for name in sorted(shipped - wanted)]
    faults += [f"{name} is missing" for name in sorted(wanted - shipped)]
    for name in sorted(shipped):
        suffix = PurePosixPath(name).suffix
        if suffix not in KINDS and PurePosixPath(name).name != "LICENSE":
            faults.append(f"{name} is of a kind that does not ship (KINDS of release/make.py)")
    if wheel.stat().st_size > LARGEST:
        faults.append(f"it has {wheel.stat().st_size:,} bytes, at most {LARGEST:,} are meant")
    return faults


def sbom(root: Path, python: str) -> bytes:
    """The packages of an environment and the shipped weights, as CycloneDX JSON."""
    command = [str(Path(sys.executable).with_name("cyclonedx-py")), "environment", "--output-reproducible"]
    command += ["--pyproject", "pyproject.toml", "--mc-type", "library", "--output-format", "JSON"]
    text = run([*command, python], root)
    weights = sorted((root / "edgefer" / "weights").glob("*.safetensors"))
    return with_weights(json.loads(text), {path.name: path.read_bytes() for path in weights})


def with_weights(bill: dict[str, Any], weights: Mapping[str, bytes]) -> bytes:
    """The bill with the shipped weights beside the packages."""
    for name, content in weights.items():
        digest = hashlib.sha256(content).hexdigest()
        bill["components"].append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"weights-{name}",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "description": "trained by edgefer on FER2013, whose faces are for research use; see docs/licences.md",
            }
        )
    return (json.dumps(bill, indent=2, sort_keys=True) + "\n").encode()


def sums(files: Mapping[str, bytes]) -> str:
    """As `sha256sum` writes it and `sha256sum --check` reads it."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))


if __name__ == "__main__":
    main()
