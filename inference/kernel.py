"""Reconstruction kernels by name: smooth enough to measure soft tissue, or sharp.

ConvolutionKernel (PS3.3 section C.8.2.1, C.8.15.3.7) is free text, so vendors' names have to be known.
"""

import re
from collections.abc import Iterable
from typing import Literal

KernelClass = Literal["soft", "bone", "unknown"]

_SIEMENS = re.compile(r"[BCDHIJQSUV][A-Z]?(\d\d)[A-Z]?")
"""Family, subfamily, sharpness, tube mode: B30f, J40s, Br38f, Bl57d, Qr36, Hr40, U70u."""

SIEMENS_SHARP = 50
"""Siemens' operating instructions give B10 to B41 for tissue, and from B50 on for spine, joints and lung."""

NAMES: tuple[tuple[str, KernelClass], ...] = (
    # Canon, formerly Toshiba: FC01 to FC19 body, FC20 to FC29 head, FC30 to FC39 bone and inner ear,
    # FC50 to FC59 lung, FC80 to FC89 high resolution. FC40s, FC60s and FC70s serve other ends.
    (r"FC[0-2]\d.*", "soft"),
    (r"FC[358]\d.*", "bone"),
    # Philips: A smooth, B standard, C sharper soft tissue; D detail, E and F sharper yet, L lung; all Y are
    # sharp. E, S and U in front of A to C: enhanced, standard and uncorrected head; C and XC cardiac.
    (r"[ESU]?[ABC]|X?C[ABC]", "soft"),
    (r"[DEFL]|Y[A-E]|X?CD", "bone"),
    # GE: SOFT, STANDARD, DETAIL, CHEST against LUNG, BONE, BONEPLUS, EDGE, ULTRA, also with HD or a number.
    # Plain words of other vendors: Philips "Sharp Plus", United Imaging B_SOFT_A, B_VSHARP_C.
    (r".*(BONE|LUNG|EDGE|ULTRA|SHARP|OSSEOUS).*", "bone"),
    (r".*(SOFT|STANDARD|STND|STD|SMOOTH|DETAIL|CHEST|ROUTINE|BODY|BRAIN).*", "soft"),
)
"""Regular expression of the whole name -> class; the first that fits."""


def kernel_class(names: Iterable[str]) -> KernelClass:
    """Class of a kernel given by the values of ConvolutionKernel; the first known value decides.

    ``bone`` stands for all edge-enhancing kernels, those for lung too. Iterative reconstruction adds values
    that are no kernels, such as its strength.
    """
    return next((found for name in names if (found := _class_of(name)) != "unknown"), "unknown")


def _class_of(name: str) -> KernelClass:
    name = name.strip().upper()
    if match := _SIEMENS.fullmatch(name):
        return "bone" if int(match[1]) >= SIEMENS_SHARP else "soft"
    return next((found for pattern, found in NAMES if re.fullmatch(pattern, name)), "unknown")
