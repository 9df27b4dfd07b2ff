"""The command line: what goes wrong gives one line and an exit code, and leaves nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import click
import pytest
from safetensors.numpy import load_file, save_file

from edgefer import arch, package, pipeline, resources, spec, verify
from edgefer.arch import LABELS
from edgefer.cli import cli, main
from edgefer.data import decode
from edgefer.data.dataset import SPLITS
from edgefer.export import exporter
from edgefer.train import weights
from tests.data import made_layouts
from tests.data.made import good_rows, row, write_image, write_rows, write_tree
from tests.made import write_csv, write_weights
from tests.test_bundle_damage import edit, renew

PROGRAM = [sys.executable, "-c", "from edgefer.cli import main; main()"]
FP32, INT8 = "ean.onnx-fp32", "ean.onnx-int8"
BUILD = ("build", "--arch", "ean", "--target", "onnx-fp32")
BUILD_INT8 = ("build", "--arch", "ean", "--target", "onnx-int8")
SHIPPED = resources.folder("weights") / "ean.safetensors"
RANGES = resources.folder("calibration") / "ean.onnx.json"


class Ran(NamedTuple):
    """What a command left behind: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def fails(self, code: int, *words: str) -> None:
        """Assert that it failed with this code and one line that holds all `words`."""
        assert self.code == code, self
        assert self.err.count("\n") == 1 and self.err.startswith("edgefer: ") and self.err[:-1].isprintable(), self
        for word in words:
            assert word in self.err, self

    def fine(self) -> str:
        """Assert that it went well and silently; returns standard output."""
        assert (self.code, self.err) == (0, ""), self
        return self.out


Run = Callable[..., Ran]
Mount = Callable[[str], Path]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`edgefer` with arguments, in this process: starting another one is slow."""

    def do(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["edgefer", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            assert isinstance(end.code, int)
            code = end.code
        return Ran(code, *capfd.readouterr())

    handler = signal.getsignal(signal.SIGTERM)
    yield do
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="module")
def model() -> bytes:
    """The shipped EAN as ONNX."""
    from edgefer.fold import Deployed

    ean = arch.get("ean")
    return exporter("onnx").convert(Deployed(weights.load(ean, None).network).eval(), ean.crop)


@pytest.fixture
def quick(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of the shipped EAN for ONNX that skip the conversion, which takes seconds."""
    monkeypatch.setattr(exporter("onnx"), "convert", lambda network, crop: model)


@pytest.fixture(scope="module")
def made(model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two bundles FP32 and INT8; tests must not change it."""
    out, ean = tmp_path_factory.mktemp("made"), arch.get("ean")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter("onnx"), "convert", lambda network, crop: model)
        for name in ("onnx-fp32", "onnx-int8"):
            job = pipeline.Job(ean, name, spec.target(name), weights.load(ean, None), pipeline.Calibrate())
            pipeline.build(job, out)
    return out


@pytest.fixture
def earlier(made: Path, tmp_path: Path) -> Path:
    """A folder with an earlier FP32 bundle in it."""
    shutil.copytree(made / FP32, tmp_path / "dist" / FP32)
    return tmp_path / "dist"


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system in memory with the options it is called with; called again, it mounts it anew."""
    place = tmp_path / "mounted"
    place.mkdir()

    def do(options: str) -> Path:
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
        return place

    yield do
    if place.is_mount():
        subprocess.run(["umount", place], check=True)


def whole(out: Path, *names: str) -> None:
    """Assert that `out` holds these bundles, each whole, and nothing else, hidden or not."""
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    for name in names:
        verify.golden(package.read(out / name))


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def every(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """The names of all commands, groups included."""
    yield path
    for name, inner in (command.commands if isinstance(command, click.Group) else {}).items():
        yield from every(inner, *path, name)


# Help and lists


@pytest.mark.parametrize("path", every(cli), ids=" ".join)
def test_help_has_an_example(run: Run, path: tuple[str, ...]) -> None:
    out = run(*path, "--help").fine()
    assert f"Usage: {' '.join(('edgefer', *path))} " in out
    assert "Example: edgefer " in out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['edgefer', '--help']\n"
        "from edgefer.cli import main\n"
        "main()\n"
        "print({'numpy', 'torch', 'rich', 'PIL', 'cattrs'} & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


@pytest.mark.parametrize(
    ("name", "known"), [("archs", "model_f-noatt"), ("targets", "tflite-int8-floatio"), ("recipes", "plain")]
)
def test_lists(run: Run, name: str, known: str) -> None:
    assert known in run(name).fine()
    assert known in str(json.loads(run(name, "--json").fine()))


def test_data_check(run: Run, csv: Path) -> None:
    assert "surprise" in run("data", "check", csv).fine()
    assert json.loads(run("data", "check", csv, "--json").fine())["images"] == 98


def test_data_check_of_broken_rows_prints_its_table(run: Run, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", [*good_rows(), row(label=9)])
    ran = run("data", "check", path)
    ran.fails(5, str(path), "mend or remove")
    assert "surprise" in ran.out and "label '9'" in ran.out
    ran = run("data", "check", path, "--json")
    ran.fails(5, str(path))
    assert len(json.loads(ran.out)["unreadable"]) == 1


def test_layouts_are_listed_and_chosen(run: Run, tmp_path: Path) -> None:
    assert "oulu-casia-vl-strong" in run("data", "layouts").fine()
    rows = {row["name"]: row for row in json.loads(run("data", "layouts", "--json").fine())}
    assert rows["affectnet-8"]["classes"][-1] == "contempt"
    path = made_layouts.affectnet(tmp_path)
    run("data", "check", path).fails(5, "affectnet-7, affectnet-8", "--layout NAME")
    assert json.loads(run("data", "check", path, "--layout", "affectnet-7", "--json").fine())["images"] == 8
    run("data", "check", path, "--layout", "affectnet").fails(3, "unknown layout 'affectnet'", "affectnet-8")
    run("eval", "--arch", "ean", "--data", path).fails(5, "--layout NAME")


def test_data_folds(run: Run, csv: Path, tmp_path: Path) -> None:
    path = made_layouts.ck_plus(tmp_path)
    shown = run("data", "folds", path, "--folds", "2").fine().splitlines()
    assert shown[0].split()[:3] == ["fold", "images", "subjects"] and len(shown) >= 3
    report = json.loads(run("data", "folds", path, "--folds", "2", "--json").fine())
    assert [(fold["images"], fold["subjects"]) for fold in report["folds"]] == [(5, 1), (4, 1)]
    assert (report["by"], report["seed"]) == ("subject", None)
    report = json.loads(run("data", "folds", csv, "--by", "image", "--seed", "3", "--json").fine())
    assert sum(fold["images"] for fold in report["folds"]) == 98 and report["folds"][0]["subjects"] is None
    run("data", "folds", csv).fails(5, "who is on an image", "--by image")
    run("data", "folds", path).fails(5, "10 folds of 2 subjects", "from 2 to 2")
    run("data", "folds", path, "--by", "person").fails(3, "person", "subject, image")


def test_a_large_folder_goes_through_the_cache(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "LARGE", 0)
    root = write_tree(tmp_path / "faces", *(f"train/{name}/[a].png" for name in LABELS))
    first = run("data", "check", root, "--cache", tmp_path / "kept")
    assert first.code == 0 and first.err.count("\n") == 1 and "decoding them once into" in first.err
    assert run("data", "check", root, "--cache", tmp_path / "kept").fine() == first.out
    assert list((tmp_path / "kept").glob("*/faces.npy"))


def test_a_cache_on_a_full_disk(run: Run, tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the faces were they grey, but they have colour: the disk is full in the middle."""
    monkeypatch.setattr(decode, "LARGE", 0)
    for name in LABELS:
        write_image(tmp_path / "faces" / name / "a.png", shape=(48, 48, 3))
    kept = mount("size=32k")
    ran = run("data", "check", tmp_path / "faces", "--cache", kept)
    assert ran.code == 13 and "disk is full" in ran.err.splitlines()[-1]
    assert [path.suffix for path in kept.rglob("*") if path.is_file()] in ([], [".lock"])


def test_data_check_of_nothing(run: Run, tmp_path: Path) -> None:
    run("data", "check", tmp_path / "none.csv").fails(4, "none.csv", "give a fer2013.csv")
    run("data", "check", tmp_path).fails(6, "holds no image")


# Names and options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("build", "--arch", "EEAN", "--target", "onnx-fp32"), ("'EEAN'", "did you mean ean?", "`edgefer archs`")),
        (("build", "--arch", "zzz", "--target", "onnx-fp32"), ("'zzz'", "known: ean, ", "`edgefer archs`")),
        (("build", "--arch", "ean", "--target", "tflite-int"), ("tflite-int8", "`edgefer targets`")),
        ((*BUILD, "--target", "line\nbreak"), (r"'line\nbreak'",)),
        (("train", "--arch", "ean", "--data", "none", "--recipe", "plane"), ("plain", "`edgefer recipes`")),
        (("eval", "--arch", "ean", "--data", "none", "--split", "privat"), ("PrivateTest?", ", ".join(SPLITS))),
        (("verify", "none", "--split", "test"), (", ".join(SPLITS),)),
    ],
)
def test_unknown_names(run: Run, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    run(*arguments).fails(3, "unknown", *words)
    assert "splits`" not in run(*arguments).err


@pytest.mark.parametrize(
    "arguments", [("build",), ("no-such",), (*BUILD, "--seed", "-1"), ("verify",), ("archs", "--nothing")]
)
def test_wrong_command_lines_are_left_to_click(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Usage: edgefer" in ran.err and "Error:" in ran.err


# Build: what goes in


def write_ranges(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The recorded ranges of the shipped weights, changed."""
    content = json.loads(RANGES.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_build_with_wrong_weights(run: Run, earlier: Path, tmp_path: Path) -> None:
    path, build = tmp_path / "w.safetensors", (*BUILD, "--out", earlier, "--weights")
    run(*build, path).fails(4, "no weights at", "w.safetensors", "give a .safetensors file")
    run(*build, tmp_path).fails(4, "no weights at")
    run(*build, write_weights(path, "model_f")).fails(8, "another network", "--arch")
    for size in (20_000, 4, 0):
        path.write_bytes(SHIPPED.read_bytes()[:size])
        run(*build, path).fails(8, "not a whole safetensors file", "get or train it again")
    whole(earlier, FP32)


def test_build_with_weights_that_can_not_be_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "load_file", raising(PermissionError(errno.EACCES, "Permission denied")))
    run(*BUILD).fails(4, "ean.safetensors", "Permission denied", "permissions")


def test_build_with_weights_that_are_not_numbers(run: Run, tmp_path: Path) -> None:
    tensors = load_file(SHIPPED)
    tensors[min(tensors)][:] = float("nan")
    save_file(tensors, tmp_path / "w.safetensors")
    run(*BUILD, "--weights", tmp_path / "w.safetensors", "--out", tmp_path / "dist").fails(8, "nan", "train")
    assert not (tmp_path / "dist").exists()


def test_build_calibrated_on_too_little(run: Run, tmp_path: Path) -> None:
    faces, out = tmp_path / "faces", tmp_path / "dist"
    build = (*BUILD_INT8, "--out", out, "--calibration")
    run(*build, faces).fails(4, "no calibration data at", "give a fer2013.csv")
    faces.mkdir()
    run(*build, faces).fails(6, "holds no image", "angry/*.jpg")
    write_tree(faces, "angry/a.png")
    run(*build, faces).fails(7, "1 Training face", "at least 2")
    write_tree(faces, "angry/b.png", "happy/c.png")
    run(*build, faces).fails(6, "no image of class disgust", "every one of angry")
    no_training = write_csv(tmp_path / "fer2013.csv", {"PublicTest": 1})
    run(*build, no_training).fails(6, "no Training image")
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda c: c.update(weights_sha256="0" * 64), 7, ("the weights 000000000000", "--calibration")),
        (lambda c: c.update(engine="tflite"), 7, ("the engine tflite", "not onnx")),
        (lambda c: c.update(arch="model_f"), 7, ("the network model_f", "not ean")),
        (lambda c: c.update(schema="edgefer/calibration/9"), 7, ("edgefer/calibration/9", "edgefer/calibration/1")),
        (lambda c: c["ranges"].update(pixels=[0.0, float("nan")]), 7, ("0.0 to nan", "tensor pixels", "finite")),
        (lambda c: c["ranges"].update(pixels=[5.0, 1.0]), 7, ("5.0 to 1.0", "hold 0")),
        (lambda c: c["ranges"].update(pixels=[1.0]), 16, ("CalibrationRecord", "ranges")),
        (lambda c: c.pop("engine"), 16, ("engine", "correct it")),
        (lambda c: c.update(face="x.png"), 16, ("face", "has the keys")),
    ],
)
def test_build_from_wrong_recorded_ranges(
    run: Run, tmp_path: Path, change: Callable[[dict[str, Any]], object], code: int, words: tuple[str, ...]
) -> None:
    path = write_ranges(tmp_path / "r.json", change)
    run(*BUILD_INT8, "--calibration", path, "--out", tmp_path / "dist").fails(code, "r.json", *words)
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '"text"', "\0"])
def test_build_from_recorded_ranges_that_are_none(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    run(*BUILD_INT8, "--calibration", tmp_path / "r.json", "--out", tmp_path / "dist").fails(16, "r.json", "again")


def test_build_from_ranges_that_lack_a_tensor(run: Run, quick: None, tmp_path: Path) -> None:
    path = write_ranges(tmp_path / "r.json", lambda c: c["ranges"].pop("pixels"))
    run(*BUILD_INT8, "--calibration", path, "--out", tmp_path / "dist").fails(7, "tensor pixels", "--calibration PATH")
    assert not (tmp_path / "dist").exists()


def test_build_of_an_untrained_network_needs_calibration(run: Run, tmp_path: Path) -> None:
    for name, words in (("ean", "belong to the weights"), ("model_f", "ships no activation ranges for model_f")):
        path = write_weights(tmp_path / "w.safetensors", name)
        build = ("build", "--arch", name, "--target", "onnx-int8", "--weights", path, "--out", tmp_path / "dist")
        run(*build).fails(7, words, "calibrate with --calibration PATH")
    run("build", "--arch", "model_f", "--target", "onnx-fp32").fails(4, "ships no weights for model_f", "edgefer train")


# Build: what comes out


def test_build_replaces_a_bundle_whole_or_damaged(run: Run, quick: None, earlier: Path) -> None:
    (earlier / FP32 / "model.onnx").write_bytes(b"damaged")
    out = run(*BUILD, "--target", "onnx-int8", "--out", earlier).fine()
    assert out.count("next: edgefer verify") == 2
    found = json.loads(run(*BUILD, "--out", earlier, "--json").fine())
    assert found[0]["manifest"]["name"] == FP32
    whole(earlier, FP32, INT8)


def test_build_into_a_link(run: Run, quick: None, earlier: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FP32).symlink_to(earlier / FP32)
    run(*BUILD, "--out", tmp_path / "out").fine()
    assert (tmp_path / "out" / FP32).is_symlink()
    whole(tmp_path / "out", FP32)
    whole(earlier, FP32)


@pytest.mark.parametrize("command", ["build", "train"])
def test_output_folder_is_a_file(run: Run, csv: Path, tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    line = BUILD if command == "build" else ("train", "--arch", "ean", "--data", csv)
    for out in (file, file / "deeper"):
        run(*line, "--out", out).fails(13, str(out), "is a file", "--out")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "deep/notes.txt", package.MANIFEST])
def test_build_deletes_nothing_that_is_not_its_own(run: Run, tmp_path: Path, name: str) -> None:
    mine = tmp_path / FP32 / name
    mine.parent.mkdir(parents=True)
    mine.write_text('{"schema": "https://json-schema.org", "files": {}}')
    run(*BUILD, "--out", tmp_path).fails(13, str(mine), "move it away", "--out")
    assert mine.exists()


def test_build_deletes_nothing_that_was_put_into_a_bundle(run: Run, earlier: Path) -> None:
    notes = earlier / FP32 / "notes.txt"
    notes.write_text("mine")
    run(*BUILD, "--out", earlier).fails(13, "notes.txt", "move it away")
    notes.unlink()
    whole(earlier, FP32)


def test_build_where_a_file_has_the_name_of_the_bundle(run: Run, tmp_path: Path) -> None:
    (tmp_path / FP32).write_text("mine")
    run(*BUILD, "--out", tmp_path).fails(13, FP32, "move it away")
    assert (tmp_path / FP32).read_text() == "mine"


def test_build_into_a_read_only_folder(run: Run, mount: Mount, made: Path) -> None:
    place = mount("size=4m")
    shutil.copytree(made / FP32, place / FP32)
    mount("remount,ro")
    run(*BUILD, "--out", place).fails(13, str(place), "read-only", "--out")
    run(*BUILD, "--out", place / "deeper").fails(13, "deeper", "read-only", "--out")
    whole(place, FP32)


def test_build_into_a_full_folder(run: Run, quick: None, mount: Mount, made: Path) -> None:
    place = mount("size=320k")
    shutil.copytree(made / FP32, place / FP32)
    run(*BUILD, "--out", place).fails(13, str(place / FP32), "disk is full", "free some space")
    whole(place, FP32)
    run(*BUILD_INT8, "--out", place).fails(13, str(place / INT8), "disk is full")
    whole(place, FP32)


def test_train_into_a_full_folder(run: Run, mount: Mount, csv: Path) -> None:
    place = mount("size=64k")
    ran = run("train", "--arch", "ean", "--data", csv, "--epochs", 1, "--out", place)
    assert ran.code == 13
    assert "can't write" in ran.err.splitlines()[-1] and "disk is full" in ran.err.splitlines()[-1]
    assert list(place.iterdir()) == []


# Interrupts


@pytest.mark.skipif(sys.platform != "linux", reason="sees in /proc whether the converter is loaded")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_conversion(earlier: Path, tmp_path: Path, sign: signal.Signals, code: int) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [*PROGRAM, *BUILD, "--out", str(earlier)], stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(temporary)}
    )
    deadline = time.monotonic() + 60
    while "onnxsim" not in Path(f"/proc/{process.pid}/maps").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    Ran(process.returncode, "", errors.decode().lstrip("\n")).fails(code, "nothing half-written is left")
    whole(earlier, FP32)
    # torch makes an empty folder for its compiler, on good days too
    assert [p.name for p in temporary.iterdir() if not p.name.startswith("torchinductor_")] == []


def test_interrupt_between_two_renames_waits(
    run: Run, quick: None, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    ran = run(*BUILD, "--out", earlier)
    ran._replace(err=ran.err.lstrip("\n")).fails(130, "interrupted")
    whole(earlier, FP32)


def test_interrupt_of_a_command_that_reads(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "golden", lambda *_: signal.raise_signal(signal.SIGTERM))
    run("verify", made / FP32).fails(143, "terminated")


# Verify


def test_verify(run: Run, made: Path) -> None:
    assert run("verify", made / FP32, made / INT8).fine().count("golden pair hold") == 2
    assert [r["bundle"] for r in json.loads(run("verify", made / INT8, "--json").fine())] == [INT8]


def test_verify_of_no_bundle(run: Run, made: Path, tmp_path: Path) -> None:
    run("verify", tmp_path / "none").fails(4, "no bundle at", "edgefer build")
    run("verify", made / FP32 / "model.onnx").fails(4, "model.onnx is a file", "give the bundle's folder")
    run("verify", tmp_path).fails(11, "no readable manifest.json", "edgefer build")


def test_verify_reports_every_bundle(run: Run, earlier: Path, made: Path, tmp_path: Path) -> None:
    (earlier / FP32 / "labels.txt").unlink()
    folders = (earlier / FP32, made / INT8, tmp_path / "none")
    ran = run("verify", *folders)
    assert ran.code == 11, "that of the first failure"
    assert ran.out.count("\n") == 1 and ran.out.startswith(INT8)
    first, second = ran.err.splitlines()
    assert first.startswith("edgefer: ") and "labels.txt is missing" in first
    assert second.startswith("edgefer: no bundle at")
    ran = run("verify", *folders, "--json")
    assert ran.code == 11
    results = json.loads(ran.out)
    assert [r["folder"] for r in results] == [str(folder) for folder in folders]
    assert [r.get("error", {}).get("exit_code") for r in results] == [11, None, 4]


def test_verify_measures_accuracy(run: Run, made: Path, csv: Path) -> None:
    line = ("verify", made / FP32, "--data", csv, "--split", "PublicTest", "--float", made / FP32)
    assert "PublicTest, 21 images" in run(*line).fine()


def test_verify_measures_what_can_be_measured(
    run: Run, made: Path, csv: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "AGREEMENT_LIMIT", 101.0)
    (earlier / FP32 / "labels.txt").unlink()
    ran = run("verify", made / FP32, earlier / FP32, made / INT8, "--data", csv, "--float", made / FP32, "--json")
    assert [line.split()[:2] for line in ran.err.splitlines()] == [
        ["edgefer:", f"{earlier / FP32}:"],
        ["edgefer:", FP32],
        ["edgefer:", INT8],
    ]
    assert ran.code == 11
    results = json.loads(ran.out)
    assert [r.get("accuracy", {}).get("split") for r in results] == ["PrivateTest", None, "PrivateTest"]
    assert [r["error"]["exit_code"] for r in results] == [15, 11, 15]


def test_verify_with_data_that_do_not_fit(run: Run, made: Path, tmp_path: Path) -> None:
    line = ("verify", made / FP32, "--data")
    training = write_csv(tmp_path / "fer2013.csv", {"Training": 1})
    folder = write_tree(tmp_path / "faces", "test/bored/a.png")
    fails_after_golden(run(*line, tmp_path / "none"), 4, "no data at", "give a fer2013.csv")
    fails_after_golden(run(*line, training), 6, "no PrivateTest image")
    fails_after_golden(run(*line, folder), 5, "unknown class folder 'bored'", "angry")


def fails_after_golden(ran: Ran, code: int, *words: str) -> None:
    assert "golden pair hold" in ran.out
    ran.fails(code, *words)


@pytest.mark.parametrize("name", ["model.onnx", package.PICTURE])
def test_verify_of_a_forged_file(run: Run, earlier: Path, name: str) -> None:
    (earlier / FP32 / name).write_bytes(b"forged")
    edit(earlier / FP32, lambda content: renew(content, earlier / FP32, name))
    run("verify", earlier / FP32).fails(11, FP32, "can't load it" if name == "model.onnx" else "is no picture")


def test_verify_against_a_float_that_is_not_its_own(run: Run, made: Path, csv: Path, tmp_path: Path) -> None:
    line = ("verify", made / INT8, "--data", csv, "--float")
    other = write_weights(tmp_path / "w.safetensors", "ean")
    fails_after_golden(run(*line, other), 8, "was made from the weights", "w.safetensors", "--float")
    fails_after_golden(run(*line, made / INT8), 8, "is int8", "fp32 bundle")
    fails_after_golden(run(*line, tmp_path / "none"), 4, "no weights at")
    fails_after_golden(run(*line, tmp_path), 11, "no readable manifest.json")


# Train and eval


def test_train_and_eval(run: Run, csv: Path, tmp_path: Path) -> None:
    ran = run("train", "--arch", "ean", "--data", csv, "--epochs", 1, "--threads", 1, "--out", tmp_path / "new")
    assert ran.code == 0 and "wrote" in ran.out and "% centre crop," in ran.out and "% ten crops" in ran.out
    line = ("eval", "--arch", "ean", "--data", csv, "--weights", tmp_path / "new" / "ean.safetensors")
    assert "on PrivateTest, 21 images" in run(*line).fine()
    assert json.loads(run(*line, "--json").fine())["scores"]["unseen_images"] == 21
    assert "ten crops" in run(*line, "--ten-crop").fine()


def test_train_on_a_fold(run: Run, csv: Path, tmp_path: Path) -> None:
    line = ("train", "--arch", "microexpnet-xxs", "--data", csv, "--epochs", 1, "--threads", 1, "--out", tmp_path)
    found = json.loads(run(*line, "--fold", 2, "--folds", 7, "--by", "image", "--json").out)
    assert found["data"]["images"] == {"Training": 70, "PublicTest": 14, "PrivateTest": 14}
    assert "--fold 2 --folds 7 --by image" in found["command"]
    run(*line, "--fold", 9, "--folds", 7, "--by", "image").fails(5, "no fold 9", "from 0 to 6")
    run(*line, "--fold", 0).fails(5, "does not say who is on an image")


def test_train_where_nothing_chooses(run: Run, tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "fer2013.csv", {"Training": 10, "PrivateTest": 2})
    line = ("train", "--arch", "microexpnet-xxs", "--data", csv, "--epochs", 1, "--threads", 1, "--out", tmp_path)
    run(*line).fails(6, "no PublicTest image")
    found = json.loads(run(*line, "--hold-out", 5, "--json").out)
    assert found["data"]["images"] == {"Training": 56, "PublicTest": 14, "PrivateTest": 14}
    assert "--hold-out 5" in found["command"]


def test_eval_on_images_that_training_holds_too(run: Run, tmp_path: Path) -> None:
    rows = [row(k % 7, usage=usage, seed=k) for usage in ("Training", "PrivateTest") for k in range(7)]
    path = write_rows(tmp_path / "fer2013.csv", rows)
    found = run("eval", "--arch", "ean", "--data", path, "--json").fine()
    assert json.loads(found, parse_constant=raising(ValueError("not JSON")))["scores"]["unseen"] is None
    assert "does not hold" not in run("eval", "--arch", "ean", "--data", path).fine()


def test_train_and_eval_without_what_they_need(run: Run, csv: Path, tmp_path: Path) -> None:
    for command in ("train", "eval"):
        line = (command, "--arch", "ean", "--data")
        run(*line, tmp_path / "none").fails(4, "no data at", "give a fer2013.csv")
        run(*line, write_rows(tmp_path / "broken.csv", [row(label=9)])).fails(5, "label '9'", "0..6", "data check")
        run(*line, write_csv(tmp_path / "public.csv", {"PublicTest": 1})).fails(6, "no ")
    run("eval", "--arch", "model_f", "--data", csv).fails(4, "ships no weights for model_f")
    lacking = write_rows(tmp_path / "lacking.csv", [row(k, usage=u, seed=k) for k in range(6) for u in SPLITS])
    out = tmp_path / "out"
    run("train", "--arch", "ean", "--data", lacking, "--out", out).fails(6, "class neutral", "at least one")
    assert not out.exists()


# What nobody foresaw


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x/model"), 4, ("/x/model (Permission denied)", "check")),
        (OSError(errno.EIO, "Input/output error", "/x/model"), 4, ("/x/model (Input/output error)",)),
        (OSError(errno.ENOSPC, "No space left on device"), 13, ("temporary file", "free some space")),
        (OSError("one\ntwo"), 1, ("one two", "--debug")),
    ],
)
def test_errors_of_the_system(
    run: Run, made: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(package, "sha256", raising(error))
    run("verify", made / FP32).fails(code, *words)


def test_data_that_may_not_be_read(run: Run, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", raising(PermissionError(errno.EACCES, "Permission denied")))
    run("data", "check", csv).fails(4, str(csv), "Permission denied")


def test_bug_keeps_its_traceback(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "golden", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        run("verify", made / FP32)


def test_debug_shows_the_traceback(run: Run) -> None:
    ran = run("--debug", "verify", "none")
    assert ran.code == 4
    assert "in read\n" in ran.err and ran.err.splitlines()[-1].startswith("edgefer: no bundle at none")


def test_light_half_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['edgefer', 'archs']\nfrom edgefer.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    Ran(done.returncode, done.stdout, done.stderr).fails(14, "torch", "pip install 'edgefer[build]'")


def test_closed_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "targets"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_standard_output() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, "targets"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    Ran(done.returncode, "", done.stderr).fails(13, "standard output", "free some space")
