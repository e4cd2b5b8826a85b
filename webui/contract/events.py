"""Events: the only things that a worker sends; each names the item it is about."""

from typing import Annotated, Literal

from pydantic import Field

from webui.contract.fields import Frozen


class Execution(Frozen):
    """What the machine decided for itself while making a picture.

    `vae` is the file of the autoencoder, "" where it was the checkpoint's own. `vae_dtype` is ""
    where the autoencoder computed as the network did; `retried` says that memory ran out once and
    a smaller plan was taken.
    """

    device: str = "cpu"
    dtype: str = "float32"
    vae_dtype: str = ""
    vae_tiles: int = 0
    placement: Literal["full", "model", "group", "sequential"] = "full"
    storage: Literal["compute", "file", "fp8"] = "compute"
    attention: str = "sdpa"
    retried: bool = False
    packed: int = 1
    checkpoint: str = ""
    checkpoint_hash: str = ""
    vae: str = ""
    vae_hash: str = ""
    hires_checkpoint: str = ""
    refiner: str = ""
    lora_hashes: str = ""
    embedding_hashes: str = ""


class Progress(Frozen):
    """How far an item is: `fraction` of all its work, `step` of `steps` in the present stage."""

    kind: Literal["progress"] = "progress"
    item: int
    fraction: float = Field(ge=0, le=1)
    step: int = 0
    steps: int = 0
    stage: str = ""


class Preview(Frozen):
    """A small JPEG of the present estimate."""

    kind: Literal["preview"] = "preview"
    item: int
    jpeg: bytes = Field(repr=False)


class Artifact(Frozen):
    """A finished, encoded picture with its infotext inside and beside it."""

    kind: Literal["artifact"] = "artifact"
    item: int
    n: int = 0
    role: Literal["image", "grid", "detected_map", "mask"] = "image"
    data: bytes = Field(repr=False)
    media_type: str = "image/png"
    width: int
    height: int
    seed: int
    infotext: str
    execution: Execution = Execution()


class Notice(Frozen):
    """A sentence for the user that does not end the item."""

    kind: Literal["warning"] = "warning"
    item: int
    sentence: str


class Failure(Frozen):
    """The item ended without a result; `error` is the class name, `field` the culprit if known."""

    kind: Literal["failure"] = "failure"
    item: int
    error: str
    sentence: str
    detail: str = ""
    field: str = ""


class Finished(Frozen):
    """The item ended; `how` says whether it ran to its end, kept what it had, or was discarded."""

    kind: Literal["finished"] = "finished"
    item: int
    how: Literal["done", "stopped", "cancelled"] = "done"
    seconds: float = 0.0


class Word(Frozen):
    """One entry of a vocabulary: the id in requests, the label people know, other names."""

    id: str
    label: str
    aliases: tuple[str, ...] = ()
    options: dict[str, str] = Field(default_factory=dict[str, str])

    def __hash__(self) -> int:
        return hash((self.id, self.label, self.aliases, tuple(sorted(self.options.items()))))


class Machine(Frozen):
    """What a worker computes on: its device, number format, bytes of memory, attention."""

    device: str = "cpu"
    dtype: str = "float32"
    memory: int = 0
    attention: str = "sdpa"


class Vocabulary(Frozen):
    """What a worker can do beyond what is built in: words by vocabulary name; and its machine."""

    kind: Literal["vocabulary"] = "vocabulary"
    words: dict[str, tuple[Word, ...]]
    plugins: tuple["PluginReport", ...] = ()
    machine: Machine | None = None


class PluginReport(Frozen):
    """How the loading of one plugin went."""

    name: str
    version: str = ""
    hooks: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0


Event = Annotated[
    Progress | Preview | Artifact | Notice | Failure | Finished | Vocabulary,
    Field(discriminator="kind"),
]
