"""A contract in words and in code: what the page of a bundle and the folder of an app say, from one source.

The code lies in templates/: `preprocessing.<suffix>` makes a face the model's input, <format>.<suffix> runs the model.
"""

from __future__ import annotations

from importlib import resources
from string import Template

from edgefer.runtime.contract import Contract, Meaning, TensorSpec

TEMPLATES = resources.files("edgefer.pipeline") / "templates"
SUFFIXES = {"kotlin": "kt", "swift": "swift"}  # languages whose code is whole files
# What the Kotlin and Swift code was written for.
DEPENDENCIES = {"litert": "1.4.1", "pod": "2.17.0"}
# What the page says of the network, of its outputs and of the answer that the code returns.
MEANINGS: dict[Meaning, dict[str, str]] = {
    "probabilities": {"tells": "tells from a face which of $classes expressions it shows", "meaning": "probabilities"},
    "independent probabilities": {
        "tells": "tells from a face how probable each of $classes labels is, independent of the others",
        "meaning": "independent probabilities, each from 0 to 1 whatever the others are,",
    },
}
INDEPENDENT = """
   Several labels may hold, or none: compare each probability with a threshold that you choose. The code below returns
   the most probable label; `probabilities` in it has all of them."""
BYTES = {"float32": 4, "int8": 1}
LAYOUTS = {
    "NHWC": {
        "layout_order": "row by row, the three values of a pixel together",
        "python_order": "np.asarray(centre, np.float32)[None]",
        "kotlin_loop": "for (pixel in pixels) for (shift in intArrayOf(16, 8, 0))",
        "swift_loop": "for pixel in pixels { for shift in [16, 8, 0]",
        "javascript_index": "4 * Math.floor(i / 3) + i % 3",
        "node_index": "i",
    },
    "NCHW": {
        "layout_order": "all of R row by row, then all of G, then all of B",
        "python_order": "np.ascontiguousarray(np.asarray(centre, np.float32).transpose(2, 0, 1)[None])",
        "kotlin_loop": "for (shift in intArrayOf(16, 8, 0)) for (pixel in pixels)",
        "swift_loop": "for shift in [16, 8, 0] { for pixel in pixels",
        "javascript_index": "4 * (i % $area) + Math.floor(i / $area)",
        "node_index": "3 * (i % $area) + Math.floor(i / $area)",
    },
}


def render_code(name: str, values: dict[str, str]) -> str:
    """A file of code from the template of that name; `values` are those of `contract_values`, and `model`."""
    return Template((TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)


def render_classifier(model_format: str, language: str, values: dict[str, str]) -> dict[str, str]:
    """`code`, which runs the model, and `preprocessing`; of a language without such code for the format, none."""
    suffix = SUFFIXES.get(language)
    if suffix is None or not (TEMPLATES / f"{model_format}.{suffix}").is_file():
        return {}
    names = {"code": f"{model_format}.{suffix}", "preprocessing": f"preprocessing.{suffix}"}
    return {key: render_code(name, values).strip() for key, name in names.items()}


def contract_values(agreed: Contract) -> dict[str, str]:
    """What the templates say of a contract, by the names that they have for it."""
    numbers = {
        "resize": agreed.resize,
        "crop": agreed.crop,
        "offset": (agreed.resize - agreed.crop) // 2,
        "end": (agreed.resize - agreed.crop) // 2 + agreed.crop,
        "area": agreed.crop**2,
        "classes": len(agreed.labels),
        "input_bytes": 3 * agreed.crop**2 * BYTES[agreed.input.dtype],
    }
    words = {
        "labels": ", ".join(agreed.labels),
        "c_labels": ", ".join(_c_string(label) for label in agreed.labels),
        "face": agreed.face,
        "margin": _margin(agreed),
        "cut": _cut(agreed),
        "kernel": agreed.kernel,
        "grey": agreed.grey,
        "layout": agreed.layout,
        "several": INDEPENDENT if agreed.meaning == "independent probabilities" else "",
        **{
            key: Template(text).substitute(numbers)
            for key, text in (LAYOUTS[agreed.layout] | MEANINGS[agreed.meaning]).items()
        },
    }
    return {key: str(n) for key, n in numbers.items()} | words | _input(agreed.input) | _output(agreed.output)


def _margin(agreed: Contract) -> str:
    if agreed.face_margin == 0:
        return "without a margin"
    return f"with a margin of {100 * agreed.face_margin:g} % of its side all around"


def _cut(agreed: Contract) -> str:
    if agreed.crop == agreed.resize:
        return "Keep all of it: for this network nothing is cut off."
    left = (agreed.resize - agreed.crop) // 2
    return f"Keep the centre {agreed.crop} x {agreed.crop}: leave out {left} pixels on the left and {left} at the top."


def _input(spec: TensorSpec) -> dict[str, str]:
    """How a pixel value 0 to 255 is stored, in words and in the languages that can have integers."""
    tensor = {"input_name": spec.name, "input_dtype": spec.dtype, "input_shape": ", ".join(map(str, spec.shape))}
    if spec.scale is None or spec.zero_point is None:
        return tensor | {
            "store_text": "The values are stored as they are, 0.0 to 255.0.",
            "python_store": "pixels",
            "kotlin_store": "input.putFloat(value.toFloat())",
        }
    shift = _plus(spec.zero_point)
    if (spec.scale, spec.zero_point) == (1.0, -128):  # min-max ranges: nothing to round or clip
        return tensor | {
            "store_text": "They are stored as `q = pixel - 128`.",
            "python_store": "(pixels - 128).astype(np.int8)",
            "kotlin_store": "input.put((value - 128).toByte())",
            "javascript_store": "value - 128",
        }
    return tensor | {
        "store_text": f"They are stored as `q = round(pixel / {spec.scale!r}) {shift}`, clipped to -128 to 127.",
        "python_store": f"np.clip(np.rint(pixels / {spec.scale!r}) {shift}, -128, 127).astype(np.int8)",
        "kotlin_store": f"val q = kotlin.math.round(value / {spec.scale!r}f).toInt() {shift}\n"
        "            input.put(q.coerceIn(-128, 127).toByte())",
        "javascript_store": f"""{{
    const real = Math.fround(value / Math.fround({spec.scale!r})), below = Math.floor(real);
    const nearest = Math.round(real) - (real - below === 0.5 && below % 2 === 0); // halves to the even one
    return Math.min(Math.max(nearest {shift}, -128), 127);
  }}""",
    }


def _output(spec: TensorSpec) -> dict[str, str]:
    """How a probability is read, in the same languages."""
    tensor = {"output_name": spec.name, "output_dtype": spec.dtype, "output_shape": ", ".join(map(str, spec.shape))}
    if spec.scale is None or spec.zero_point is None:
        return tensor | {
            "read_text": "The values are the probabilities.",
            "python_read": "",
            "kotlin_array": "FloatArray",
            "kotlin_read": "it",
        }
    shift = _plus(-spec.zero_point)
    return tensor | {
        "read_text": f"They are stored as int8: `p = {spec.scale!r} * (q {shift})`.",
        "python_read": f".astype(np.float32)\n    probabilities = {spec.scale!r} * (probabilities {shift})",
        "kotlin_array": "ByteArray",
        "kotlin_read": f"{spec.scale!r}f * (it {shift})",
        "javascript_read": f"{spec.scale!r} * (q {shift})",
        "c_read": f"{spec.scale!r} * (output[i] {shift})",
    }


def _c_string(text: str) -> str:
    """A printable text as C99 has it; a question mark is escaped because two of them can begin a trigraph."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("?", r"\?")
    return f'"{escaped}"'


def _plus(number: int) -> str:
    return f"- {-number}" if number < 0 else f"+ {number}"
