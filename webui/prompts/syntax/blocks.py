"""Weights by block, `lbw=` in a tag: how much of a LoRA each block of the network gets.

Lists of 12, 17, 20 and 26 numbers are for UNets, of 61 for FLUX, as the older UI's extension for
this reads them: blocks that a UNet's list leaves out get nothing. Words are lists by name.
"""

import math

BlockWeights = tuple[tuple[str, float], ...]
"""Each block with its factor."""

INPUTS = tuple(f"IN{n:02d}" for n in range(12))
OUTPUTS = tuple(f"OUT{n:02d}" for n in range(12))
WHOLE = ("BASE", *INPUTS, "M00", *OUTPUTS)
ATTENDING = ("BASE", *(INPUTS[n] for n in (1, 2, 4, 5, 7, 8)), "M00", *OUTPUTS[3:])
LISTS = {
    12: ("BASE", *(INPUTS[n] for n in (4, 5, 7, 8)), "M00", *OUTPUTS[:6]),
    17: ATTENDING,
    20: ("BASE", *INPUTS[:9], "M00", *OUTPUTS[:9]),
    26: WHOLE,
    61: (
        "BASE",
        "T5",
        "IN",
        *(f"D{n:02d}" for n in range(19)),
        *(f"S{n:02d}" for n in range(38)),
        "OUT",
    ),
}
"""The blocks of a list by its length; BASE is the text encoder."""

PRESETS = {
    "NONE": (),
    "INS": ATTENDING[:4],
    "IND": ("BASE", *ATTENDING[4:7]),
    "INALL": ATTENDING[:7],
    "MIDD": ("BASE", *ATTENDING[4:12]),
    "OUTD": ("BASE", *ATTENDING[8:12]),
    "OUTS": ("BASE", *ATTENDING[12:]),
    "OUTALL": ("BASE", *ATTENDING[8:]),
}
"""The blocks that a named list gives all to, as the extension's own list has them; the others get
nothing."""

ALONE = {block.replace("M00", "MID"): (block,) for block in ATTENDING}
"""Lists of its file that are called by the one block which they give all to."""
WITHOUT = {
    f"N{name}": tuple(block for block in ATTENDING if (block,) != only)
    for name, only in ALONE.items()
}
"""Lists called by the one block which they leave out."""
NAMED = {**PRESETS, **ALONE, **WITHOUT}


def is_blocks(text: str) -> bool:
    """Whether an argument of a tag that stands without `lbw=` means weights by block."""
    return "," in text or text.strip().upper() in (*NAMED, "ALL", "ALL0.5")


def read_blocks(text: str) -> BlockWeights:
    """The factor of each block. Raises ValueError, saying what is wrong."""
    name = text.strip().upper()
    if name in ("", "ALL"):
        return ()
    if name == "ALL0.5":
        return tuple((block, 0.5) for block in WHOLE)
    if name in NAMED:
        return tuple((block, float(block in NAMED[name])) for block in WHOLE)
    numbers = text.split(",")
    if len(numbers) not in LISTS:
        known = ", ".join(map(str, LISTS))
        raise ValueError(
            f"{text!r} is neither one of {', '.join(('ALL', *PRESETS))} nor a list of {known} "
            "weights."
        )
    told = dict(zip(LISTS[len(numbers)], map(_number, numbers), strict=True))
    blocks = tuple(told) if "T5" in told else WHOLE
    return tuple((block, told.get(block, 0.0)) for block in blocks)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text.strip()!r} among the weights by block is no number.")
    return number
