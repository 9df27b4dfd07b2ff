"""docs/microcontrollers.md: its C, its Makefile and its CMake lists compile."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgefer.benchmark.workload import Workload
from edgefer.devices.microcontroller import firmware

PAGE = Path(__file__).parents[3] / "docs/microcontrollers.md"
TOOLCHAIN = """set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16")
"""


def snippet(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def run(folder: Path, *line: str) -> None:
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def project(workload: Workload, tmp_path: Path) -> Path:
    if firmware.lacking() is not None:
        pytest.skip(str(firmware.lacking()))
    assert workload.bundle is not None
    for name in ("model.c", "model.h"):
        shutil.copy(workload.bundle.path(name), tmp_path)
    (tmp_path / "app.c").write_text(snippet("c"))
    return tmp_path


def test_the_program_compiles_beside_the_model(project: Path) -> None:
    (project / "Makefile").write_text(snippet("make"))
    run(project, "make", "model.o")
    flags = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
    run(project, firmware.COMPILER, *flags, "-Wall", "-Wextra", "-Werror", "-c", "app.c", "-o", "app.o")
    sizes = subprocess.run([firmware.SIZE, "model.o"], cwd=project, capture_output=True, text=True, check=True).stdout
    assert sizes.splitlines()[-1].split()[1:3] == ["0", "0"]  # nothing is kept between calls


def test_cmake_builds_it(project: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    (project / "toolchain.cmake").write_text(TOOLCHAIN)
    head = "cmake_minimum_required(VERSION 3.20)\nproject(firmware C)\nadd_library(firmware OBJECT app.c)\n"
    (project / "CMakeLists.txt").write_text(head + snippet("cmake"))
    run(project, "cmake", "-S", ".", "-B", "out", "-DCMAKE_TOOLCHAIN_FILE=toolchain.cmake")
    run(project, "cmake", "--build", "out")
