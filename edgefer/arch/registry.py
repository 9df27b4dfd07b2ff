"""The rows: networks of the five papers, then the backbones that their tables compare them with.

Figures are copied from the papers, each with the column of arch.count that counts the same. A name that ends
in -44 is a form that stands in Kong et al. Table 5, where everything was counted at 3x44x44.
"""

from __future__ import annotations

from typing import Any

from edgefer.arch.architecture import Arch
from edgefer.arch.architecture import Printed as P

KONG, CUGU, ZHOU, SAFAVI, ZHAO = "kong2022", "cugu2019", "zhou2021", "safavi2023", "zhao2021"
OURS = "edgefer"


def _ean(
    name: str, parameters: str, flops: str, *more: P, note: str = "", counted: tuple[str, str] = ("", "")
) -> tuple[Arch, Arch]:
    """A model of Kong et al. Table 1, and the same without attention."""
    printed = (
        P("parameters", parameters, "Table 1", counted[0]),
        P("ptflops", flops, "Table 1", counted[1]),
        *more,
    )
    without = (P("parameters", "43,822", "Table 6"),) if name == "ean" else ()
    return (
        Arch(name, KONG, "ean", name, 48, 44, printed=printed, note=note),
        Arch(f"{name}-noatt", KONG, "ean", f"{name}-noatt", 48, 44, printed=without),
    )


def _microexpnet(size: str, parameters: str) -> tuple[Arch, ...]:
    """A student of Cugu et al. Table 1, and its candidates with pooling (Table 2); 8 classes in CK+."""
    printed = (P("parameters", parameters, "Table 1"),)
    plain = Arch(f"microexpnet-{size}", CUGU, "microexpnet", f"{size}-v", 96, 84, 1, classes=8, printed=printed)
    pooled = (
        Arch(f"{plain.name}-{which}", CUGU, "microexpnet", f"{size}-{which}", 96, 84, 1, classes=8)
        for which in ("p1", "p2", "p12")
    )
    return plain, *pooled


def _at_44(name: str, module: str, variant: str, parameters: str, flops: P, memory: P, note: str = "") -> Arch:
    """A backbone of Kong et al. Table 5."""
    printed = (P("parameters", parameters, "Table 5"), flops, memory)
    return Arch(name, KONG, module, variant, 48, 44, printed=printed, note=note)


def _at_224(paper: str, table: str, name: str, module: str, variant: str, figures: str, **more: Any) -> Arch:
    """A network whose paper prints "parameters, FLOPs" in `table`; `counted` is what its FLOPs are here if not that."""
    parameters, flops = figures.split(", ")
    printed = (P("parameters", parameters, table), P("thop", flops, table, more.pop("counted", "")))
    return Arch(name, paper, module, variant, 224, 224, printed=printed, **more)


def _flops(text: str, instead: str = "") -> P:
    return P("ptflops_modules", text, "Table 5", instead)


def _memory(text: str, instead: str = "") -> P:
    return P("torchsummary_modules", text, "Table 5", instead)


ROWS: tuple[Arch, ...] = (
    *_ean(
        "ean",
        "0.044 M",
        "5.054 M",
        P("parameters", "43,840", "Table 6"),
        P("torchsummary", "3.902 MB", "Table 5"),
        note="Table 3 prints 43,843 parameters, Table 6 the 43,840 counted here",
    ),
    *_ean("model_a", "0.077 M", "20.892 M"),
    *_ean(
        "model_b",
        "0.069 M",
        "24.834 M",
        note="the printed FLOPs are those of its channels with e = 6 in every block; the printed parameters of neither",
        counted=("0.077 M", "12.909 M"),
    ),
    *_ean("model_c", "0.069 M", "9.446 M"),
    *_ean("model_d", "0.053 M", "11.723 M"),
    *_ean("model_e", "0.053 M", "11.157 M", note="the printed FLOPs have not been explained", counted=("", "5.703 M")),
    *_ean("model_f", "0.052 M", "5.126 M"),
    *_microexpnet("m", "1,002,808"),
    *_microexpnet("s", "257,656"),
    *_microexpnet("xs", "133,464"),
    *_microexpnet("xxs", "71,368"),
    Arch(
        *("lcnn", ZHOU, "lcnn", "lcnn", 64, 64, 1, -1.0),
        printed=(
            P("parameters_and_statistics", "58,423", "Table 3"),
            P("parameters", "56,951", "section III.B"),
        ),
    ),
    _at_224(ZHAO, "Table 1", "efficientface", "efficientface", "efficientface", "1.28 M, 154.18 M"),
    Arch(
        *("efficientface-product", ZHAO, "efficientface", "efficientface-product", 224, 224),
        note="the modulator multiplies its two maps, as in the authors' code; the paper prints their sum",
    ),
    _at_224(ZHAO, "Table 1", "efficientface-local", "efficientface", "efficientface-local", "1.27 M, 152.79 M"),
    _at_224(
        *(ZHAO, "Table 1", "efficientface-modulator", "efficientface", "efficientface-modulator", "1.27 M, 153.79 M"),
        counted="152.18 M",
        note="1.0 % less than the printed FLOPs, which have not been explained",
    ),
    _at_224(
        *(SAFAVI, "Table II", "mit-fusion", "mit", "mit-fusion", "3.45 M, 0.425 B"),
        note="the printed FLOPs leave out attention's products",
    ),
    # The backbones of Kong et al. Table 5.
    _at_44("vgg16-bn-44", "vgg", "vgg16-bn", "33.634 M", _flops("557.136 M"), _memory("140.529 MB")),
    _at_44(
        "resnet18-44",
        "resnet",
        "resnet18-cifar",
        "11.172 M",
        _flops("1101.272 M"),
        _memory("65.460 MB", "65.126 MB"),
        "0.5 % less than the printed memory, which has not been explained",
    ),
    _at_44("mobilenetv2-44", "mobilenetv2", KONG, "2.233 M", _flops("16.796 M"), _memory("15.040 MB")),
    _at_44(
        "squeezenet-44",
        "squeezenet",
        "squeezenet",
        "0.733 M",
        _flops("101.243 M", "101.367 M"),
        _memory("18.881 MB", "19.260 MB"),
        "0.1 % more than the printed FLOPs and 2 % more than the printed memory: "
        "without its second pooling's 123,904 the FLOPs are the printed ones",
    ),
    _at_44(
        "shufflenetv2-44",
        "shufflenetv2",
        "quarter",
        "0.126 M",
        _flops("10.164 M", "10.427 M"),
        _memory("6.284 MB", "7.490 MB"),
        "the paper doesn't say which narrow one: no layout that was tried has all three figures; "
        "2.6 % and 19 % more than the printed FLOPs and memory",
    ),
    Arch(
        "mini-xception-44",
        KONG,
        "lcnn",
        "mini-xception",
        48,
        44,
        input_min=-1.0,
        printed=(
            P("parameters", "0.057 M", "Table 5"),
            _flops("92.184 M", "92.185 M"),
            _memory("27.998 MB", "28.773 MB"),
        ),
        note="the printed FLOPs are those of modules that don't halve the side, but for one in the last digit; "
        "2.8 % more than the printed memory",
    ),
    Arch("teacher", OURS, "teacher", "teacher", 48, 44),
    # Those of Zhao et al. and Safavi et al., stock.
    _at_224(ZHAO, "Table 1", "shufflenetv2", "shufflenetv2", "x1", "1.26 M, 147.79 M"),
    _at_224(ZHAO, "Table 4", "resnet18", "resnet", "resnet18", "11.18 M, 1818.56 M"),
    _at_224(
        *(ZHAO, "Table 4", "resnet50", "resnet", "resnet50", "23.52 M, 4109.48 M"),
        note="MicroExpNet's teacher too (23.5 M); the 25,500,000 of LCNN's Table 3 is ImageNet's 1000 classes",
    ),
    _at_224(ZHAO, "Table 4", "mobilenetv2", "mobilenetv2", ZHAO, "2.23 M, 312.86 M"),
    _at_224(ZHAO, "Table 6", "vgg16", "vgg", "vgg16", "134.29 M, 15479.79 M"),
    _at_224(
        *(SAFAVI, "Table II", "resnet152", "resnet", "resnet152", "58.16 M, 11.60 B"),
        counted="11.56 B",
        note="0.4 % less than the printed FLOPs; the paper doesn't say what counted them",
    ),
    _at_224(
        *(SAFAVI, "Table II", "cbam-resnet50", "resnet", "cbam-resnet50", "26.05 M, 4.14 B"),
        counted="4.12 B",
        note="0.6 % less than the printed FLOPs; the paper doesn't say what counted them",
    ),
    _at_224(
        *(SAFAVI, "Table II", "densenet121", "densenet", "densenet121", "6.96 M, 2.89 B"),
        counted="2.86 B",
        note="0.9 % less than the printed FLOPs; the paper doesn't say what counted them",
    ),
    _at_224(
        *(SAFAVI, "Table II", "mobilenetv3", "mobilenetv3", "mobilenetv3", "5.48 M, 0.23 B"),
        classes=1000,
        note="the printed figures are of ImageNet's 1000 classes",
    ),
)
