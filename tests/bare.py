"""A bare machine, made of this one: with EDGEFER_TEST_BARE=1 nothing is there that edgefer can do without.

No emulator, no compiler, no SSH, no driver of a GPU, no data set and no paper's text beside the clone.
"""

from __future__ import annotations

import os
import tempfile
from fnmatch import fnmatch
from pathlib import Path

BARE = bool(os.environ.get("EDGEFER_TEST_BARE"))
PROGRAMS = (
    "qemu-*", "cc", "gcc*", "clang*", "*-gcc*", "ssh", "ssh-*", "scp", "sftp", "dropbear*", "dbclient", "nvidia-smi",
    "java", "kotlinc", "swiftc",
)  # fmt: skip
VARIABLES = {"VK_DRIVER_FILES": os.devnull, "VK_ICD_FILENAMES": os.devnull, "CUDA_VISIBLE_DEVICES": ""}

# What lies beside the clone, and is no part of it: data sets, the papers' texts.
BESIDE = Path(__file__).parents[1] / "hidden" if BARE else Path(__file__).parents[2] / "shared"


def hide() -> tempfile.TemporaryDirectory[str]:
    """Change this process's environment, which its children inherit; the folder is what PATH leads to then."""
    folder = tempfile.TemporaryDirectory(prefix="edgefer-bare-")
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = Path(folder.name) / program.name
            if not link.is_symlink() and not any(fnmatch(program.name, pattern) for pattern in PROGRAMS):
                link.symlink_to(program)
    os.environ.pop("EDGEFER_FER2013", None)
    os.environ.update(VARIABLES, PATH=folder.name)
    return folder
