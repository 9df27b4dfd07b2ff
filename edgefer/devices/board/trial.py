"""One inference with every engine that a board has, in fresh processes there: what is installed need not run."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator

from edgefer.devices.board.doctor import Facts
from edgefer.devices.board.job import pack_runtime
from edgefer.devices.board.ssh import Link, refused
from edgefer.devices.device import Finding
from edgefer.devices.engine_packages import ENGINE_TITLES
from edgefer.runtime import ending, self_test
from edgefer.runtime.engines import ENGINES

MARKER = "edgefer:trials\n"
TIMEOUT = 600.0  # seconds: the first import of an engine takes a small board long
TRY = """cd "$1" || exit 1
top=$PWD; shift
trap 'rm -rf "$top/.doctor-$$"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir ".doctor-$$" && tar -xzf - -C ".doctor-$$" && cd ".doctor-$$/run" || exit 1
export ORT_DISABLE_TELEMETRY=1
echo edgefer:trials
for each; do
    "$top/${each%%/*}/bin/python" -m edgefer.runtime.self_test "${each#*/}" </dev/null >said 2>&1
    printf '%s %s %s\\n' "$each" "$?" "$(tail -n 1 said)"
done"""


def findings(link: Link, facts: Facts) -> Iterator[Finding]:
    """Which of its engines ran the tiny network, and why others did not; nothing where there are none."""
    pairs = {
        f"{venv}/{engine.name}": f"{ENGINE_TITLES[package.name]} (in {venv})"
        for venv, packages in facts.venvs.items()
        for engine in ENGINES.values()
        for package in engine.packages
        if package.name in packages
    }
    if not pairs:
        return
    done = link.run(TRY, link.board.folder, *pairs, stdin=io.BytesIO(gzip.compress(pack_runtime())), timeout=TIMEOUT)
    _, marker, said = done.out.partition(MARKER)
    if not marker:
        raise refused(link, "try the engines", done)
    for line in said.splitlines():
        pair, code, last = (*line.split(" ", 2), "", "")[:3]
        why = self_test.explained(int(code), last, ending.words(int(code)))
        title = pairs[pair]
        yield Finding("inference", why is None, f"{title} runs a network" if why is None else f"{title}: {why}")
