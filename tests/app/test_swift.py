"""The Swift of a bundle's page and of its iOS folder beside Python: the same bytes.

Nearly no machine but Apple's has a Swift compiler; Debian 13 has one (package swiftlang, 2 GB).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgefer.pipeline.app_code import contract_values, render_code
from tests.app.phone_cases import FLOAT, cases, check_inputs, write_cases

pytestmark = pytest.mark.long
RUNNER = """
import Foundation

let folder = URL(fileURLWithPath: CommandLine.arguments[1])
let contracts: [([UInt32], Int, Int) -> [Float]] = [{contracts}]
let lines = try String(contentsOf: folder.appendingPathComponent("cases"), encoding: .utf8).split(separator: "\\n")
for (number, line) in lines.enumerated() {{
    let numbers = line.split(separator: " ").map {{ Int($0)! }}
    let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent("\\(number).bin")))
    let face = (0..<numbers[1] * numbers[2]).map {{ (i: Int) -> UInt32 in
        var pixel = UInt32(i)  // any alpha
        for byte in bytes[3 * i..<3 * i + 3] {{ pixel = (pixel << 8) | UInt32(byte) }}
        return pixel
    }}
    let input = contracts[numbers[0]](face, numbers[1], numbers[2])
    var made = Data()
    for value in input {{ withUnsafeBytes(of: value) {{ made.append(contentsOf: $0) }} }}
    try made.write(to: folder.appendingPathComponent("\\(number).input"))
}}
"""


@pytest.fixture(scope="module")
def swiftc() -> str:
    path = shutil.which("swiftc")
    if path is None:
        pytest.skip("swiftc is not installed (Debian 13: apt install swiftlang)")
    return path


def compile_swift(swiftc: str, *words: object) -> None:
    done = subprocess.run([swiftc, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning:" not in done.stderr, done.stderr


def test_swift_makes_pythons_bytes(swiftc: str, tmp_path: Path) -> None:
    for number, agreed in enumerate(FLOAT):
        code = render_code("preprocessing.swift", contract_values(agreed))
        (tmp_path / f"contract{number}.swift").write_text(code.replace("Preprocessing", f"Contract{number}"))
    contracts = ", ".join(f"{{ Contract{number}.toInput($0, width: $1, height: $2) }}" for number in range(len(FLOAT)))
    (tmp_path / "main.swift").write_text(RUNNER.format(contracts=contracts))
    compile_swift(swiftc, "-O", *tmp_path.glob("*.swift"), "-o", tmp_path / "run")
    made = cases(FLOAT)
    write_cases(tmp_path, made)
    done = subprocess.run([tmp_path / "run", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_inputs(tmp_path, made, FLOAT)
