"""OpenVINO's C library, called through ctypes.

OpenVINO's Python module would take 21 MB of memory, a tenth of a second to import, and 3.5 % of EAN's frame: it makes
a dictionary of arrays of the outputs of each inference. The wheels hold the C library since 2024.3.
https://docs.openvino.ai/2026/api/c_cpp_api/group__ov__c__api.html
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import os
import weakref
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.errors import MissingEngine

FILES = ("libopenvino_c.so*", "libopenvino_c*.dylib", "openvino_c.dll")  # in the wheels for Linux, macOS, Windows
Pointer = ctypes.c_void_p


class Shape(ctypes.Structure):
    """ov_shape_t."""

    _fields_ = (("rank", ctypes.c_int64), ("sizes", ctypes.POINTER(ctypes.c_int64)))


class Devices(ctypes.Structure):
    """ov_available_devices_t."""

    _fields_ = (("names", ctypes.POINTER(ctypes.c_char_p)), ("count", ctypes.c_size_t))


class Version(ctypes.Structure):
    """ov_version_t."""

    _fields_ = (("build", ctypes.c_char_p), ("description", ctypes.c_char_p))


def find_library() -> Path | str:
    """The installed package's library, or else the system's.

    Raises ModuleNotFoundError without the package, MissingEngine if there is none (wheels hold it since 2024.3).
    """
    spec = find_spec("openvino")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'openvino'", name="openvino")
    folder = Path(spec.submodule_search_locations[0]) / "libs"
    found = [path for pattern in FILES for path in sorted(folder.glob(pattern))]
    # The packages of Debian and conda keep it where the linker looks.
    library = found[0] if found else ctypes.util.find_library("openvino_c")
    if library is None:
        raise MissingEngine(
            f"{folder} has no {' or '.join(FILES)}, nor has the system: PyPI's package openvino holds it since 2024.3: "
            "run pip install 'edgefer[openvino]'."
        )
    return library


_LIBRARY = ctypes.CDLL(str(find_library()))
_LIBRARY.ov_get_last_err_msg.restype = ctypes.c_char_p
# On Apple's processors an argument behind the declared ones is passed in another way.
_LIBRARY.ov_core_compile_model_from_file.argtypes = (
    *(Pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    ctypes.POINTER(Pointer),
)
# Declared, so that a call takes a pointer's number; it is the one call of a frame.
infer = _LIBRARY.ov_infer_request_infer
infer.argtypes = (Pointer,)


def raise_error() -> None:
    """Raise RuntimeError with what OpenVINO says of the call that failed last."""
    raise RuntimeError((_LIBRARY.ov_get_last_err_msg() or b"OpenVINO gives no reason").decode(errors="replace"))


def _call(name: str, *arguments: object) -> None:
    """Call a function that returns a status; raises RuntimeError."""
    if _LIBRARY[name](*arguments):
        raise_error()


def _made(name: str, *arguments: object) -> Pointer:
    """What a function leaves behind its last argument."""
    made = Pointer()
    _call(name, *arguments, ctypes.byref(made))
    return made


def _text(name: str, *arguments: object) -> str:
    """The text that a function allocates."""
    allocated = _made(name, *arguments)
    try:
        return ctypes.string_at(allocated.value or 0).decode(errors="replace")
    finally:
        _LIBRARY.ov_free(allocated)


def version() -> str:
    """As 2026.4.1."""
    told = Version()
    _call("ov_get_openvino_version", ctypes.byref(told))
    try:
        return str(told.build.decode().partition("-")[0])
    finally:
        _LIBRARY.ov_version_free(ctypes.byref(told))


class Core:
    """ov_core_t. It is never freed.

    OpenVINO 2026.4.1 gives the thread that compiles its first network a signal stack (sigaltstack) and unmaps it when
    the last core dies. In another thread, that left the first with an address of nothing: its next signal, Ctrl-C too,
    killed the process by a segmentation fault.
    """

    def __init__(self) -> None:
        self._core = _made("ov_core_create")

    @property
    def available_devices(self) -> list[str]:
        """As CPU, GPU.0."""
        devices = Devices()
        _call("ov_core_get_available_devices", self._core, ctypes.byref(devices))
        try:
            return [devices.names[number].decode() for number in range(devices.count)]
        finally:
            _LIBRARY.ov_available_devices_free(ctypes.byref(devices))

    def get_property(self, device: str, name: str) -> str:
        """A device's property; raises RuntimeError if it has none of that name."""
        return _text("ov_core_get_property", self._core, device.encode(), name.encode())

    def compile(self, path: Path, device: str, settings: Mapping[str, str]) -> Compiled:
        """Read an .xml file, with the .bin beside it, for a device; raises RuntimeError."""
        words = [word.encode() for setting in settings.items() for word in setting]
        made = Pointer()
        where = (os.fsencode(path), device.encode())
        _call("ov_core_compile_model_from_file", self._core, *where, len(words), ctypes.byref(made), *words)
        return Compiled(made)


@cache
def process_core() -> Core:
    """The one of this process."""
    return Core()


class Compiled:
    """ov_compiled_model_t with a request for inferences; `request` is what `infer` takes."""

    def __init__(self, model: Pointer) -> None:
        self._model = model
        weakref.finalize(self, _LIBRARY.ov_compiled_model_free, model).atexit = False
        self._request = _made("ov_compiled_model_create_infer_request", model)
        weakref.finalize(self, _LIBRARY.ov_infer_request_free, self._request).atexit = False
        self.request = self._request.value

    def get_property(self, name: str) -> str:
        """A property of the model on its device."""
        return _text("ov_compiled_model_get_property", self._model, name.encode())

    def port(self, side: str) -> tuple[str, tuple[int, ...]]:
        """Name and shape of the one `input` or `output`; raises RuntimeError if there are none or several of them."""
        port = _made(f"ov_compiled_model_{side}", self._model)
        shape = Shape()
        try:
            name = _text("ov_port_get_any_name", port)
            _call("ov_const_port_get_shape", port, ctypes.byref(shape))
            sizes = tuple(shape.sizes[number] for number in range(shape.rank))
            _LIBRARY.ov_shape_free(ctypes.byref(shape))
        finally:
            _LIBRARY.ov_output_const_port_free(port)
        return name, sizes

    def tensor(self, side: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The request's own tensor of the one `input` or `output`, which must not outlive this object.

        Raises ValueError if it has not the bytes of that many floats.
        """
        tensor = _made(f"ov_infer_request_get_{side}_tensor", self._request)
        count = ctypes.c_size_t()
        try:
            _call("ov_tensor_get_byte_size", tensor, ctypes.byref(count))
            address = _made("ov_tensor_data", tensor)
        finally:
            _LIBRARY.ov_tensor_free(tensor)
        if count.value != 4 * math.prod(shape):
            raise ValueError(f"the {side} has {count.value} bytes, {shape} float32 are {4 * math.prod(shape)}")
        values = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(values, shape)
