"""What a merge of checkpoints is asked for: two or three files, and how much of each."""

import re
from typing import Annotated, Literal

from pydantic import (
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from webui.contract.fields import Frozen, Name
from webui.errors import InvalidRequest

Method = Literal["none", "weighted_sum", "add_difference"]
Precision = Literal["", "fp16", "bf16", "fp32"]
ConfigSource = Literal["any", "b", "c", "none"]

BLOCK_COUNTS = (25, 26, 19, 20)
"""Weights of IN00 to OUT11 and, before them, of everything else; 19 and 20 of them for SDXL."""

NO_NAME = re.compile(r'[<>:"/\\|?*]')
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(10))}
"""What Windows takes for a device, whatever follows the first point."""
LONGEST_NAME = 150

Pattern = Annotated[str, StringConstraints(max_length=1000)]
Share = Annotated[float, Field(ge=-2, le=3)]


class MergeRequest(Frozen):
    """One merge. `multiplier` is the share of B, or of the difference B - C.

    `blocks` holds a multiplier for each block of the U-Net in the order of the well-known list:
    BASE, IN00 to IN11, M00, OUT00 to OUT11. `name` is the new file's, "" for one made of the
    sources' names. `precision` "" keeps A's.
    """

    primary: Name
    secondary: Name = ""
    tertiary: Name = ""
    method: Method = "weighted_sum"
    multiplier: Share = 0.3
    blocks: tuple[Share, ...] = ()
    name: Name = ""
    precision: Precision = ""
    vae: Name = ""
    discard: Pattern = ""
    config: ConfigSource = "any"
    save_metadata: bool = True
    add_recipe: bool = True
    copy_metadata: bool = True
    metadata: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name and not is_file_name(name):
            raise ValueError(f"{name[:40]!r} cannot be the name of a file here.")
        return name

    @field_validator("blocks")
    @classmethod
    def _check_blocks(cls, blocks: tuple[float, ...]) -> tuple[float, ...]:
        if blocks and len(blocks) not in BLOCK_COUNTS:
            raise ValueError(
                f"{len(blocks)} block weights are given; 26 are needed (BASE, IN00 to IN11, M00, "
                "OUT00 to OUT11), or 25 without BASE; for SDXL 20 or 19."
            )
        return blocks

    @field_validator("discard")
    @classmethod
    def _check_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"The pattern of weights to discard is wrong: {error}.") from error
        return pattern

    @model_validator(mode="after")
    def _check_models(self) -> "MergeRequest":
        if not self.primary:
            raise ValueError("Choose the primary model (A).")
        if self.method != "none" and not self.secondary:
            raise ValueError("Choose the secondary model (B).")
        if self.method == "add_difference" and not self.tertiary:
            raise ValueError("Choose the tertiary model (C): the difference is B - C.")
        return self


def mistake(error: ValidationError) -> InvalidRequest:
    """The first thing that is wrong with a request, with the field that it is about."""
    first = error.errors()[0]
    sentence = str(first["msg"]).removeprefix("Value error, ")
    named = [name for name in ("primary", "secondary", "tertiary") if name in sentence]
    field = str(first["loc"][0]) if first["loc"] else (*named, "primary")[0]
    return InvalidRequest(field, sentence)


def is_file_name(text: str) -> bool:
    """Whether every system takes it as the name of a file, and none as a path."""
    if not 0 < len(text) <= LONGEST_NAME or NO_NAME.search(text) or not text.isprintable():
        return False
    stem = text.split(".", 1)[0].strip().upper()
    return stem not in RESERVED and text == text.strip().rstrip(".") and not text.startswith(".")


def parse_blocks(text: str) -> tuple[float, ...]:
    """Block weights from text such as "0.5, 0, 0"; raises ValueError where one is no number."""
    return tuple(float(piece) for piece in re.split(r"[\s,]+", text.strip()) if piece)
