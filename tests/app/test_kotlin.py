"""The Kotlin of a bundle's page and of its Android module, compiled and run on a JVM beside Python: the same bytes.

Android, LiteRT, ONNX Runtime and JUnit are those of tests/app/kotlin: stand-ins of a few lines.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgefer.app.golden_tests import golden_pairs
from edgefer.app.phone import PhoneOptions, write_android
from edgefer.pipeline.app_code import contract_values, render_code
from edgefer.runtime.bundle import read_bundle
from tests.app.phone_cases import FLOAT, INT8, cases, check_inputs, write_cases

pytestmark = pytest.mark.long
STAND_INS = Path(__file__).with_name("kotlin")
CONTRACTS = [*FLOAT, *INT8]
BUNDLES = ("tflite-int8", "tflite-int8-floatio")
MAIN = """
fun main(words: Array<String>) {{
    when (words[0]) {{
        "prepare" -> prepare(words[1], listOf({contracts}))
        {modules}
        else -> error(words[0])
    }}
}}
"""
MODULE = '"{target}" -> runTests({package}.GoldenTest(), {package}.GoldenOnDeviceTest())'


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: .ci/boards installs a Kotlin compiler and Java")
    return path


def package_of(target: str) -> str:
    return f"golden.{target.replace('-', '_')}"


@pytest.fixture(scope="module")
def compiled(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it compiled at once: each contract's code in a package of its own, and two whole modules."""
    kotlinc, _ = program("kotlinc"), program("java")
    folder = tmp_path_factory.mktemp("kotlin")
    for number, agreed in enumerate(CONTRACTS):
        code = render_code("preprocessing.kt", contract_values(agreed))
        (folder / f"contract{number}.kt").write_text(f"package contract{number}\n\n{code}")
    code = render_code("onnx.kt", contract_values(CONTRACTS[1]) | {"model": "model.onnx"})
    (folder / "onnx.kt").write_text(f"package contract1\n\n{code}")
    for target in BUNDLES:
        write_android(PhoneOptions(dist / f"ean.{target}", folder / target, package_of(target)))
    main = MAIN.format(
        contracts=", ".join(f"contract{number}.Preprocessing::toInput" for number in range(len(CONTRACTS))),
        modules="\n        ".join(MODULE.format(target=target, package=package_of(target)) for target in BUNDLES),
    )
    (folder / "main.kt").write_text(main)
    sources = [*STAND_INS.glob("*.kt"), *folder.rglob("*.kt")]
    words = [kotlinc, *map(str, sources), "-include-runtime", "-d", str(folder / "all.jar")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(folder) not in done.stderr, "warnings of the generated code"
    return folder


def run(compiled: Path, *words: object, **properties: object) -> None:
    given = [f"-D{name}={value}" for name, value in properties.items()]
    classes = f"{compiled / 'all.jar'}:{compiled / str(words[0]) / 'src/test/resources'}"
    done = subprocess.run(
        ["java", *given, "-cp", classes, "MainKt", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_kotlin_makes_pythons_bytes(compiled: Path, tmp_path: Path) -> None:
    made = cases(CONTRACTS)
    write_cases(tmp_path, made)
    run(compiled, "prepare", tmp_path)
    check_inputs(tmp_path, made, CONTRACTS)


@pytest.mark.parametrize("target", BUNDLES)
def test_the_modules_own_tests_pass(target: str, compiled: Path, dist: Path, tmp_path: Path) -> None:
    """With a stand-in for LiteRT that knows the golden outputs of the golden inputs only."""
    bundle = read_bundle(dist / f"ean.{target}")
    for pair in golden_pairs(bundle):
        (tmp_path / f"{pair.name}.output").write_bytes(pair.output)
    run(compiled, target, module=compiled / target, outputs=tmp_path)
    picture = compiled / target / "src" / "test" / "resources" / "golden" / "picture.rgb"
    content = picture.read_bytes()
    picture.write_bytes(content[::-1])
    with pytest.raises(AssertionError, match="bytes differ"):
        run(compiled, target, module=compiled / target, outputs=tmp_path)
    picture.write_bytes(content)
