"""What a checkpoint is best asked for, as its family and its name tell."""

from webui.contract.fields import Frozen


class Advice(Frozen):
    """Values to start from with a checkpoint; "" for a sampler or schedule that does not matter.

    `family` is a row's name and `label` its words; `why` is a sentence where other values would
    spoil the picture, as with guidance on models that were distilled to do without.
    """

    family: str
    label: str
    width: int
    height: int
    steps: int
    cfg_scale: float
    sampler: str = ""
    schedule: str = ""
    why: str = ""
