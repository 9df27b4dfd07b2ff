"""ONNX Runtime on CUDA and TensorRT: never its processor in their stead without saying so.

Asked for a GPU that it can't use, ONNX Runtime takes the processor and goes on, and so it does for single nodes.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import onnxruntime

from edgefer.runtime.bench_record import RunWarning, WarningKind
from edgefer.runtime.errors import NoGpu, one_line
from edgefer.runtime.process import quiet

NAMES = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
INSTALL = {
    "cuda": "pip install 'onnxruntime-gpu[cuda,cudnn]' in place of onnxruntime, and NVIDIA's driver",
    "tensorrt": "pip install 'onnxruntime-gpu[cuda,cudnn]' tensorrt in place of onnxruntime, and NVIDIA's driver",
}
RECORD = "session.record_ep_graph_assignment_info"


def session(path: Path, options: Any, provider: str) -> Any:
    """A session that has the provider; raises NoGpu."""
    name = NAMES[provider]
    there = onnxruntime.get_available_providers()
    if name not in there:
        raise NoGpu(
            f"ONNX Runtime {onnxruntime.__version__} has no {name} here, only {', '.join(there)}: {INSTALL[provider]}."
        )
    _libraries(provider)
    options.add_session_config_entry(RECORD, "1")
    try:
        made = onnxruntime.InferenceSession(str(path), options, providers=_ordered(path, provider), enable_fallback=0)
    except Exception as error:  # its exceptions have no base in common
        # In front of the reason stands where in its source it was raised.
        raise NoGpu(_refused(name, provider, f" ({one_line(error).rpartition(') ')[2][:200]})")) from error
    if name not in made.get_providers():
        raise NoGpu(_refused(name, provider, f" and would run on {', '.join(made.get_providers())} instead"))
    return made


def _refused(name: str, provider: str, why: str) -> str:
    return f"ONNX Runtime {onnxruntime.__version__} can't start its {name}{why}: {INSTALL[provider]}."


def _libraries(provider: str) -> None:
    """Load those that came as Python packages, which the linker does not find by itself."""
    if hasattr(onnxruntime, "preload_dlls"):  # 1.21 and newer
        with quiet():  # it prints what it does not find
            onnxruntime.preload_dlls()
    if provider == "tensorrt":
        with suppress(ImportError, OSError):
            import_module("tensorrt")


def _ordered(path: Path, provider: str) -> list[tuple[str, dict[str, str]]]:
    """The provider, and behind TensorRT CUDA for what it does not take."""
    cuda = ("CUDAExecutionProvider", {"device_id": "0", "use_tf32": "0"})
    if provider == "cuda":
        return [cuda]
    # TensorRT takes a graph with DequantizeLinear only where int8 is allowed.
    int8 = "1" if b"DequantizeLinear" in path.read_bytes() else "0"
    return [("TensorrtExecutionProvider", {"device_id": "0", "trt_int8_enable": int8}), cuda]


def provider_and_notes(made: Any, provider: str) -> tuple[str, list[RunWarning]]:
    """Which provider really runs how much of a session, and a warning of what the asked one does not run.

    Raises NoGpu if that is everything.
    """
    name = NAMES[provider]
    nodes = _nodes(made)
    if nodes is None:
        values = {"version": onnxruntime.__version__, "provider": name}
        message = "ONNX Runtime {version} can't tell which nodes run on {provider}"
        return name, [RunWarning(WarningKind.FALLBACK, message, values)]
    total = sum(map(len, nodes.values()))
    rest = {other: kinds for other, kinds in nodes.items() if other != name}
    if name not in nodes:
        raise NoGpu(
            f"ONNX Runtime gives no node of this model to its {name}, all to {', '.join(rest)}: "
            f"{provider} does not take this model; measure another bundle with it."
        )
    notes = [_fallback(other, kinds, total) for other, kinds in rest.items()]
    return f"{name}, {len(nodes[name])} of {total} nodes", notes


def _fallback(provider: str, kinds: list[str], total: int) -> RunWarning:
    """That nodes of these kinds run on another provider."""
    words = ", ".join(sorted(set(kinds)))
    values: dict[str, float | str] = {"nodes": len(kinds), "total": total, "provider": provider, "kinds": words}
    return RunWarning(WarningKind.FALLBACK, "{nodes} of {total} nodes run on {provider} ({kinds})", values)


def _nodes(made: Any) -> dict[str, list[str]] | None:
    """Operators by the provider that runs them; None where this version does not tell (before 1.24)."""
    if not hasattr(made, "get_provider_graph_assignment_info"):
        return None
    operators: dict[str, list[str]] = {}
    for part in made.get_provider_graph_assignment_info():
        counted = Counter(node.op_type for node in part.get_nodes())
        operators.setdefault(part.ep_name, []).extend(counted.elements())
    return operators
