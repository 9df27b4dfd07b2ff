"""What other implementations make of the large golden picture: derives the limits of the second golden pair.

    pip install 'edgefer[build,predict]' jax playwright    # jax and Chromium are left out where they are not installed
    edgefer build --arch ean --target onnx-fp32 --target tflite-int8
    python benchmarks/resize.py dist/ean.onnx-fp32 dist/ean.tflite-int8

Each way of preparing the picture is compared with the contract's, value by value, and so is what the models answer.
Writes benchmarks/results/resize.json and benchmarks/tables/resize.md.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgefer.pipeline.built_file import RESIZE_LEVELS, RESIZE_TOLERANCE
from edgefer.runtime import __version__, contract
from edgefer.runtime.classifier import Classifier, load
from edgefer.runtime.golden import large_picture, to_png
from edgefer.runtime.preprocess import centre_crop

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "resize.json", HERE / "tables" / "resize.md"
Values = NDArray[Any]
Resize = Callable[[Values, int], Values]  # a picture uint8 (H, W, 3) and a side -> (side, side, 3), values 0..255
BILINEAR = Image.Resampling.BILINEAR
KINDS = {
    "antialiased": "Bilinear with antialiasing, as the contract names it",
    "kernel": "Other kernels",
    "preparation": "The contract's kernel, but something else is wrong",
}
CANVAS = """async ([url, side, quality]) => {
  const image = await (await fetch(url)).blob();
  const context = new OffscreenCanvas(side, side).getContext('2d', {willReadFrequently: true});
  if (quality.startsWith('createImageBitmap ')) {
    const size = {resizeWidth: side, resizeHeight: side, resizeQuality: quality.split(' ')[1]};
    context.drawImage(await createImageBitmap(image, size), 0, 0);
  } else {
    context.imageSmoothingQuality = quality.split(' ')[1];
    context.drawImage(await createImageBitmap(image), 0, 0, side, side);
  }
  return Array.from(context.getImageData(0, 0, side, side).data);
}"""
CANVAS_WAYS = ("drawImage low", "drawImage high", "createImageBitmap low", "createImageBitmap high")


class Way(NamedTuple):
    """A way of preparing the picture: uint8 (H, W, 3) and a contract -> what the model is to see, (crop, crop, 3)."""

    name: str
    kind: str
    prepare: Callable[[Values, contract.Contract], Values]


def cropped(resize: Resize) -> Callable[[Values, contract.Contract], Values]:
    """The crop as the contract says, after another resize."""
    return lambda picture, agreed: centre_crop(resize(picture, agreed.resize), agreed.crop)


def triangle(source: int, target: int) -> Values:
    """The weights of a bilinear resize with antialiasing, as the textbook has them: (target, source)."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale
    distance = np.abs(np.arange(source)[None] + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def textbook(rounded: Callable[[Values], Values], gamma: float = 1.0) -> Resize:
    """In double precision, rounded once."""

    def resize(picture: Values, side: int) -> Values:
        height, width, _ = picture.shape
        linear = (picture / 255.0) ** gamma
        made = np.einsum("ih,hwc,jw->ijc", triangle(height, side), linear, triangle(width, side))
        return np.clip(rounded(255 * made ** (1 / gamma) + 1e-9), 0, 255)

    return resize


def pillow(kernel: Image.Resampling = BILINEAR, gap: float | None = None) -> Resize:
    """Image.resize."""
    return lambda picture, side: np.asarray(Image.fromarray(picture).resize((side, side), kernel, reducing_gap=gap))


def columns_first(picture: Values, side: int) -> Values:
    """Pillow's two passes in the other order."""
    high = Image.fromarray(picture).resize((picture.shape[1], side), BILINEAR)
    return np.asarray(high.resize((side, side), BILINEAR))


def by_torch(dtype: torch.dtype, antialias: bool, corners: bool | None = None) -> Resize:
    """interpolate, which torchvision's resize is too."""

    def resize(picture: Values, side: int) -> Values:
        given = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].to(dtype)
        interpolate = torch.nn.functional.interpolate
        made = interpolate(given, size=(side, side), mode="bilinear", antialias=antialias, align_corners=corners)
        return made[0].permute(1, 2, 0).round().clamp(0, 255).numpy()

    return resize


def by_jax(picture: Values, side: int) -> Values:
    """jax.image.resize, which antialiases by default."""
    import jax

    made = jax.image.resize(np.float32(picture), (side, side, 3), "linear")
    return np.clip(np.rint(np.asarray(made)), 0, 255)


def halved(picture: Values, side: int) -> Values:
    """Halved while it is twice as large, then bilinear without antialiasing, as for Android's bitmaps is advised."""
    while min(picture.shape[:2]) >= 2 * side:
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)


def changed(change: Callable[[Image.Image, int], Image.Image]) -> Callable[[Values, contract.Contract], Values]:
    """The contract's preparation of a picture that was changed before."""
    return lambda picture, agreed: cropped(pillow())(
        np.asarray(change(Image.fromarray(picture), agreed.resize)), agreed
    )


def jpeg(picture: Image.Image, side: int) -> Image.Image:
    """Through a JPEG file of quality 95."""
    del side
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=95)
    return Image.open(content)


def shifted(right: int, down: int) -> Callable[[Values, contract.Contract], Values]:
    """A crop that is off its centre."""

    def prepare(picture: Values, agreed: contract.Contract) -> Values:
        return centre_crop(np.roll(pillow()(picture, agreed.resize), (-down, -right), (0, 1)), agreed.crop)

    return prepare


def ways() -> Iterator[Way]:
    """All but the browser's."""
    exact = cropped(pillow())
    bilinear = {
        "Pillow, columns first": columns_first,
        "double precision, rounded": textbook(np.rint),
        "double precision, cut off": textbook(np.floor),
        "torch (torchvision), uint8": by_torch(torch.uint8, True),
        "torch (torchvision), float": by_torch(torch.float32, True),
    }
    if find_spec("jax"):
        bilinear["jax.image.resize"] = by_jax
    yield from (Way(name, "antialiased", cropped(resize)) for name, resize in bilinear.items())
    names = ("LINEAR", "AREA", "CUBIC", "LANCZOS4", "NEAREST")
    others: dict[str, Resize] = {
        f"OpenCV INTER_{name}": lambda p, side, name=name: cv2.resize(
            p, (side, side), interpolation=getattr(cv2, f"INTER_{name}")
        )
        for name in names
    }
    others |= {f"Pillow {each.name}": pillow(each) for each in Image.Resampling if each != BILINEAR}
    others |= {
        "torch without antialias (as Android's filter)": by_torch(torch.float32, False, False),
        "torch without antialias, align_corners": by_torch(torch.float32, False, True),
        "halved, then bilinear": halved,
        "Pillow BILINEAR, reducing_gap 1": pillow(gap=1.0),
        "in linear light": textbook(np.rint, 2.2),
    }
    yield from (Way(name, "kernel", cropped(resize)) for name, resize in others.items())
    wrong: dict[str, Callable[[Values, contract.Contract], Values]] = {
        "blue, green, red": lambda p, agreed: exact(p, agreed)[..., ::-1],
        "mirrored": lambda p, agreed: exact(p, agreed)[:, ::-1],
        "transposed": lambda p, agreed: exact(p, agreed).transpose(1, 0, 2),
        "grey": changed(lambda image, _: image.convert("L").convert("RGB")),
        "crop one pixel to the right": shifted(1, 0),
        "crop one pixel down": shifted(0, 1),
        "resized to the crop": lambda p, agreed: pillow()(p, agreed.crop),
        "middle square of the picture": changed(lambda image, _: ImageOps.fit(image, (min(image.size),) * 2, BILINEAR)),
        "letterboxed": changed(lambda image, side: ImageOps.pad(image, (side, side), BILINEAR)),
        "5 bits a colour": changed(lambda image, _: image.point(lambda value: value // 8 * 8)),
        "through JPEG, quality 95": changed(jpeg),
    }
    yield from (Way(name, "preparation", prepare) for name, prepare in wrong.items())


def canvas_ways() -> Iterator[Way]:
    """Chromium's, where it and playwright are installed."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or find_spec("playwright") is None:
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.route("**/*", lambda route: route.fulfill(body=shown[-1], content_type="image/png"))
        shown = [b""]

        def canvas(way: str) -> Resize:
            def resize(picture: Values, side: int) -> Values:
                shown.append(to_png(picture))
                page.goto("http://localhost/page")
                made = page.evaluate(CANVAS, ["http://localhost/picture.png", side, way])
                return np.array(made).reshape(side, side, 4)[..., :3]

            return resize

        for way in CANVAS_WAYS:
            yield Way(f"Chromium {browser.version.partition('.')[0]}, {way}", "kernel", cropped(canvas(way)))
        browser.close()


def measured(way: Way, models: list[Classifier]) -> dict[str, Any]:
    """How far a way is off the contract's, of the first model's picture in levels, and of all models' outputs."""
    answers, levels = {}, None
    for model in models:
        picture = large_picture(model.contract.resize)
        exact = contract.to_pixels(picture[None], model.contract)[0]
        made = way.prepare(picture, model.contract)
        off = np.abs(np.float64(made) - exact)
        levels = levels or {"most": float(off.max()), "mean": round(float(off.mean()), 3)}
        answer = model.run(np.ascontiguousarray(made, np.uint8))
        answers[model.manifest.name] = round(float(np.abs(answer - model.run(exact)).max()), 4)
    return {"name": way.name, "kind": way.kind} | (levels or {}) | {"answers": answers}


def render(record: dict[str, Any]) -> str:
    """The page, from the record."""
    names = list(record["rows"][0]["answers"])
    lines = [
        "# What another resize makes of the large golden picture",
        "",
        "The largest and the mean difference from the contract's preparation in levels of 255, of"
        f" {names[0]}'s picture, and the largest difference of each bundle's answer in probability. "
        f"`python benchmarks/resize.py` wrote this; {record['versions']}.",
        "",
        f"A bundle allows {record['levels']:g} levels at any value. The answer may then be off by"
        f" {', '.join(f'{value:g} ({key})' for key, value in record['tolerances'].items())}.",
        "",
    ]
    for kind, title in KINDS.items():
        rows = [row for row in record["rows"] if row["kind"] == kind]
        lines += [
            f"## {title}",
            "",
            f"| | most | mean | {' | '.join(names)} |",
            "| --- |" + " ---: |" * (2 + len(names)),
        ]
        for row in rows:
            answers = " | ".join(f"{row['answers'][name]:.4f}" for name in names)
            lines.append(f"| {row['name']} | {row['most']:g} | {row['mean']:.3f} | {answers} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure with these bundles, and write the record and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path)
    models = [load(folder) for folder in parser.parse_args().bundles]
    packages = [
        each for each in ("pillow", "opencv-python-headless", "torch", "jax") if find_spec(each) or each[0] in "po"
    ]
    rows = [measured(way, models) for source in (ways, canvas_ways) for way in source()]
    record = {
        "schema": "edgefer/resize-benchmark/1",
        "edgefer": __version__,
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "levels": RESIZE_LEVELS,
        "tolerances": RESIZE_TOLERANCE,
        "rows": rows,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    TABLE.write_text(render(record))


if __name__ == "__main__":
    main()
