"""The table of networks: those of the five papers, then the backbones that their tables compare them with.

What the papers print of them stands in benchmarks/papers. A name that ends in -44 is a form that stands in Kong et al.
Table 5, where everything was counted at 3x44x44.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgefer.arch.architecture import Arch

KONG, CUGU, ZHOU, SAFAVI, ZHAO = "kong2022", "cugu2019", "zhou2021", "safavi2023", "zhao2021"
OURS = "edgefer"


def _ean(*names: str) -> Iterator[Arch]:
    """Models of Kong et al. Table 1, each also without attention (Table 6)."""
    for name in names:
        for variant in (name, f"{name}-noatt"):
            yield Arch(variant, KONG, "ean", variant, 48, 44)


def _microexpnet(*sizes: str) -> Iterator[Arch]:
    """Students of Cugu et al. Table 1, each with its candidates with pooling (Table 2); 8 classes in CK+."""
    for size in sizes:
        yield Arch(f"microexpnet-{size}", CUGU, "microexpnet", f"{size}-v", 96, 84, 1, classes=8)
        for pooled in ("p1", "p2", "p12"):
            yield Arch(f"microexpnet-{size}-{pooled}", CUGU, "microexpnet", f"{size}-{pooled}", 96, 84, 1, classes=8)


ROWS: tuple[Arch, ...] = (
    *_ean("ean", "model_a", "model_b", "model_c", "model_d", "model_e", "model_f"),
    *_microexpnet("m", "s", "xs", "xxs"),
    Arch("lcnn", ZHOU, "lcnn", "lcnn", 64, 64, 1, -1.0),
    Arch("efficientface", ZHAO, "efficientface", "efficientface", 224, 224),
    # The modulator multiplies its two maps, as in the authors' code; the paper prints their sum.
    Arch("efficientface-product", ZHAO, "efficientface", "efficientface-product", 224, 224),
    Arch("efficientface-local", ZHAO, "efficientface", "efficientface-local", 224, 224),
    Arch("efficientface-modulator", ZHAO, "efficientface", "efficientface-modulator", 224, 224),
    Arch("mit-fusion", SAFAVI, "mit", "mit-fusion", 224, 224),
    # The backbones of Kong et al. Table 5.
    Arch("vgg16-bn-44", KONG, "vgg", "vgg16-bn", 48, 44),
    Arch("resnet18-44", KONG, "resnet", "resnet18-cifar", 48, 44),
    Arch("mobilenetv2-44", KONG, "mobilenetv2", KONG, 48, 44),
    Arch("squeezenet-44", KONG, "squeezenet", "squeezenet", 48, 44),
    Arch("shufflenetv2-44", KONG, "shufflenetv2", "quarter", 48, 44),
    Arch("mini-xception-44", KONG, "lcnn", "mini-xception", 48, 44, input_min=-1.0),
    Arch("teacher", OURS, "teacher", "teacher", 48, 44),
    Arch("teacher-fine", OURS, "teacher", "teacher-fine", 48, 44),
    # Those of Zhao et al. and Safavi et al., stock.
    Arch("shufflenetv2", ZHAO, "shufflenetv2", "x1", 224, 224),
    Arch("resnet18", ZHAO, "resnet", "resnet18", 224, 224),
    Arch("resnet50", ZHAO, "resnet", "resnet50", 224, 224),
    Arch("mobilenetv2", ZHAO, "mobilenetv2", ZHAO, 224, 224),
    Arch("vgg16", ZHAO, "vgg", "vgg16", 224, 224),
    Arch("resnet152", SAFAVI, "resnet", "resnet152", 224, 224),
    Arch("cbam-resnet50", SAFAVI, "resnet", "cbam-resnet50", 224, 224),
    Arch("densenet121", SAFAVI, "densenet", "densenet121", 224, 224),
    Arch("mobilenetv3", SAFAVI, "mobilenetv3", "mobilenetv3", 224, 224, classes=1000),
)
