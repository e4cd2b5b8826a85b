"""What identification says, and the names of a header in a form that is quick to question."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from webui.library.headers import Header

Kind = Literal[
    "checkpoint",
    "vae",
    "lora",
    "lycoris",
    "embedding",
    "controlnet",
    "ip_adapter",
    "upscaler",
    "text_encoder",
    "unknown",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

CONTEXT_FAMILIES = {768: "sd1", 1024: "sd2", 1280: "sdxl_refiner", 2048: "sdxl"}
"""The width of cross-attention's input gives the family of a U-Net and of what is made for it."""


@dataclass(frozen=True)
class Identity:
    """What a model file is.

    Attributes:
        kind: what it is used as.
        family: the networks it belongs to, "" where its header cannot tell.
        variant: what sets it apart within kind and family, "" for the plain form.
        parts: of a checkpoint, which of network, vae and text_encoders it holds.
    """

    kind: Kind
    family: str = ""
    variant: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sight:
    """A header with its names in one text, each between line ends: a search in it costs little."""

    header: Header
    text: str

    @classmethod
    def of(cls, header: Header) -> "Sight":
        """Look at `header`."""
        return cls(header, "\n".join(("", *header.tensors, "")))

    def holds(self, *names: str) -> bool:
        """Whether every one of these tensors is there."""
        return all(name in self.header.tensors for name in names)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape; () where there is none."""
        return self.header.shape(name) or ()

    def width(self, name: str) -> int:
        """The second axis of a tensor: the inputs of a layer; 0 where there is none."""
        shape = self.shape(name)
        return shape[1] if len(shape) > 1 else 0

    def starts(self, *beginnings: str) -> bool:
        """Whether a name starts with one of these."""
        return any(f"\n{beginning}" in self.text for beginning in beginnings)

    def ends(self, *endings: str) -> bool:
        """Whether a name ends with one of these."""
        return any(f"{ending}\n" in self.text for ending in endings)

    def says(self, *pieces: str) -> bool:
        """Whether one of these is somewhere in a name."""
        return any(piece in self.text for piece in pieces)

    def named(self, *pieces: str) -> Iterator[str]:
        """The names that hold every one of these."""
        if all(piece in self.text for piece in pieces):
            for name in self.header.tensors:
                if all(piece in name for piece in pieces):
                    yield name
