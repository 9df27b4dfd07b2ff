"""The long part: `make torture`, or `python -m tests.torture --inputs 100000 --kills 60 [NAME ...]`.

Every reader is fed so many mutants and every command is ended in so many ways. What was tried is written down after
each step: started again, it goes on where it was. The page is benchmarks/tables/torture.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch

from edgefer.runtime import machine, records, shell
from edgefer.runtime.files import write_atomic
from edgefer.runtime.terminal_table import markdown
from tests.torture import faults
from tests.torture.commands import COMMANDS
from tests.torture.harness import MEMORY, NO_MEMORY, SECONDS, Tally, memory_folder, try_reader
from tests.torture.mutate import Distinct
from tests.torture.readers import READERS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RECORD, PAGE = BENCHMARKS / "results" / "torture.json", BENCHMARKS / "tables" / "torture.md"
STEP = 5_000  # mutants at most between two looks at the record; a process is forked for each
PACKAGES = ("torch", "numpy", "pillow", "safetensors", "cattrs", "onnx", "onnxruntime")
COUNTS = ("tried", "distinct", "read", "refused", "tracebacks", "deaths", "hangs", "memory")  # of a Tally
ENDS = ("killed", "refused", "done")


def feed(name: str, record: dict[str, Any], inputs: int) -> None:
    """Go on with a reader until so many different mutants were tried; the record has the sums and first failures."""
    tally = again(name, Tally(**record["readers"].get(name, {})))
    while (have := _distinct(name).among(tally.tried)) < inputs:
        seeds = range(tally.tried, tally.tried + max(STEP // 5, min(STEP, inputs - have)))
        tally = tally.plus(try_reader(READERS[name], seeds)).plus(Tally(commits=[commit()]))
        tally.distinct = _distinct(name).among(tally.tried)
        record["readers"][name] = asdict(tally)
        _write(record)
        print(f"{name}: {tally.distinct:,} of {inputs:,}, {len(tally.failures)} failures", flush=True)


@cache
def _distinct(name: str) -> Distinct:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        return Distinct(READERS[name].whole(Path(folder)))


def again(name: str, tally: Tally) -> Tally:
    """The tally after another try of the mutants that failed: what was mended is one no more."""
    for text in list(tally.failures):
        seed = int(text.partition(":")[0])
        now = try_reader(READERS[name], range(seed, seed + 1))
        if not now.failures:
            tally.failures.remove(text)
            setattr(tally, _kind(text), getattr(tally, _kind(text)) - 1)
            tally = tally.plus(now)
    return tally


def _kind(failure: str) -> str:
    """The field of Tally that counted a failure."""
    words = {"took more than": "hangs", "the process ended": "deaths"} | dict.fromkeys(NO_MEMORY, "memory")
    return next((kind for each, kind in words.items() if each in failure), "tracebacks")


@cache
def commit() -> str:
    """The commit when this process began, by its title, which a rebase keeps; with a note if files differ from it."""
    here = ["git", "-C", str(BENCHMARKS.parent)]
    changed = shell.run_or_none([*here, "status", "--porcelain", "--", "edgefer", "tests/torture/*.py"])
    title = shell.run_or_none([*here, "log", "-1", "--format=%s"]) or "unknown"
    return f"{title} (changed)" if changed else title


def end(name: str, record: dict[str, Any], kills: int, folder: Path) -> None:
    """Go on with a command until it was ended in so many ways; what it is made ready with is kept in `folder`."""
    command = COMMANDS[name]
    tried = record["commands"].setdefault(name, dict.fromkeys(ENDS, 0) | {"faults": {}, "failures": [], "commits": []})
    while (seed := sum(tried[each] for each in ENDS)) < kills:
        ready, clean = _ready(name, folder)
        fault = faults.faults_of(clean, seed)
        ended, wrong = faults.trial(command, ready, folder / "work", fault)
        tried[ended] += 1
        tried["commits"] = list(dict.fromkeys([*tried["commits"], commit()]))
        tried["faults"][fault.kind] = tried["faults"].get(fault.kind, 0) + 1
        tried["failures"] += [f"{seed}: {fault.kind} at {fault.at:g}: {each}" for each in wrong]
        _write(record)
        print(f"{name}: {seed + 1} of {kills}, {fault.kind}: {ended} {'; '.join(wrong)}", flush=True)


@cache
def _ready(name: str, folder: Path) -> tuple[Path, faults.Ran]:
    """The folder with an earlier result, and how the command ends where nothing happens, what it imports apart."""
    command, ready, work = COMMANDS[name], folder / name, folder / "work"
    ready.mkdir()
    command.prepare(ready)
    first = faults.run(command.earlier or command.arguments, ready)
    assert first.code == 0, first
    faults.preload(first.modules)
    for _ in range(2):
        faults.copy(ready, work)
        ran = faults.run(command.arguments, work)
        assert ran.code == 0, ran
        faults.preload(ran.modules)
    return ready, ran


def _write(record: dict[str, Any]) -> None:
    write_atomic(RECORD, records.dumps(record).encode())
    write_atomic(PAGE, render(record).encode())


def render(record: dict[str, Any]) -> str:
    """The page of benchmarks/tables."""
    readers = {name: Tally(**record["readers"][name]) for name in READERS if name in record["readers"]}
    commands = {name: record["commands"][name] for name in COMMANDS if name in record["commands"]}
    rows = [(name, *(f"{getattr(tally, each):,}" for each in COUNTS)) for name, tally in readers.items()]
    ends = [
        (name, sum(c[each] for each in ENDS), *(c[each] for each in ENDS), len(c["failures"]))
        for name, c in commands.items()
    ]
    kinds = {k: sum(c["faults"].get(k, 0) for c in commands.values()) for c in commands.values() for k in c["faults"]}
    lines = [
        "# Hostile files, kills and failing disks",
        "",
        f"Written by `make torture` from `results/{RECORD.name}`, seeded; on {record['environment']['cpu']}, Python "
        f"{record['environment']['python']}. What was tried was edgefer as of:",
        "",
        *(f"- {title}: {', '.join(names)}" for title, names in _commits(record).items()),
        "",
        f"Readers: {sum(t.tried for t in readers.values()):,} mutants, one to four changes each (bits, bytes, parts "
        f"gone, twice or moved, numbers at limits, values of JSON, control characters); where a file holds sizes and "
        f"checksums, they are made right again in a part of them. A reader has {MEMORY >> 20:,} MiB and {SECONDS} s of "
        "processor time for one. Distinct: no other's twin, nor the file itself. Refused: in one line of edgefer's of "
        "less than 2,000 characters; memory: refused or not, when the memory was gone.",
        "",
        _table(("reader", *COUNTS), rows),
        "",
        f"Commands: {sum(row[1] for row in ends)} were ended, {sum(c['killed'] for c in commands.values())} of them by "
        "SIGKILL ("
        + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        + "; `kill`: SIGKILL at a random moment, `step`: SIGKILL in front of a step that changes the folder; EIO, "
        "ENOSPC and EROFS: that step fails so; `limit`: no file may grow beyond a few bytes). After each, what was "
        "finished before must be there and whole, and the same command run again must succeed and leave nothing "
        "hidden.",
        "",
        _table(("command", "ended", *ENDS, "failures"), ends),
    ]
    failures = [(n, text) for n, t in readers.items() for text in t.failures]
    failures += [(name, text) for name, c in commands.items() for text in c["failures"]]
    if failures:
        lines += ["", "Failures, each by its seed:", "", _table(("where", "what"), failures)]
    return "\n".join(lines) + "\n"


def _commits(record: dict[str, Any]) -> dict[str, list[str]]:
    """The commits that were tried, each with the readers and commands that were tried of it."""
    tried: dict[str, list[str]] = {}
    for name, tally in [*record["readers"].items(), *record["commands"].items()]:
        for title in tally.get("commits", ()):
            tried.setdefault(title, []).append(name)
    return tried


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    return markdown(names, [tuple(map(str, row)) for row in rows])


def main() -> None:
    """Go on until all was tried; exit with 1 if there are failures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="readers and commands; default: all")
    parser.add_argument("--inputs", type=int, default=100_000, help="different mutants of each reader")
    parser.add_argument("--kills", type=int, default=60, help="ends of each command")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin with nothing new after so many")
    parser.add_argument("--again", action="store_true", help="forget first what was tried with these")
    given = parser.parse_args()
    torch.set_num_threads(1)
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {"readers": {}, "commands": {}}
    commit()
    record["environment"] = records.plain(machine.describe_environment(PACKAGES, 1))
    until, part = time.monotonic() + 60 * given.minutes, 0
    chosen = [name for name in (*READERS, *COMMANDS) if name in given.names or not given.names]
    for name in chosen if given.again else ():
        record["readers"].pop(name, None)
        record["commands"].pop(name, None)
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        while part < 20 and time.monotonic() < until:  # all of them a part of the way, then the next part
            part += 1
            for name in chosen:
                if time.monotonic() < until:
                    if name in READERS:
                        feed(name, record, given.inputs * part // 20)
                    else:
                        end(name, record, -(-given.kills * part // 20), Path(folder))
    sys.exit(any(each["failures"] for kind in ("readers", "commands") for each in record[kind].values()))


if __name__ == "__main__":
    main()
