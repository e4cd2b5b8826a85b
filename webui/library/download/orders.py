"""What can be had at an address, as a person is shown it and as it is fetched after the yes."""

import unicodedata
from typing import Annotated, Any

from pydantic import Field, JsonValue, field_validator

from webui.contract.fields import Frozen
from webui.contract.merging import NO_NAME, RESERVED, is_file_name
from webui.library.conversion.process import ENDINGS as PICKLED
from webui.library.identify import Kind
from webui.library.scan import ENDINGS as READABLE

MODELS = (*READABLE, *PICKLED)
LONGEST_NAME = 120
MOST_CHOICES = 300
SIDECAR = ".civitai.info"

Count = Annotated[int, Field(ge=0)]


def _check(name: str) -> str:
    """An order lies on disk meanwhile: what it says is looked at again."""
    if not all(map(is_file_name, name.split("/"))):
        raise ValueError(f"{name[:40]!r} cannot be the name of a file here.")
    return name


class Wanted(Frozen):
    """A file to fetch: where from, its path below the choice's folder, and what is published.

    `size` 0 and `sha256` "" stand for what nobody tells.
    """

    url: str
    name: str
    size: Count = 0
    sha256: str = ""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        return _check(name)


class Order(Frozen):
    """What is fetched: one file, or a folder called `folder` with all that it needs.

    `kind` is what the site says it is; `told` becomes a file beside the model, for its card.
    """

    title: str
    source: str
    kind: Kind = "unknown"
    folder: str = ""
    files: tuple[Wanted, ...]
    told: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])

    @field_validator("folder")
    @classmethod
    def _check_folder(cls, folder: str) -> str:
        return _check(folder) if folder else ""

    @property
    def size(self) -> int:
        """In bytes, of what is known."""
        return sum(file.size for file in self.files)

    @property
    def name(self) -> str:
        """What it is called on disk."""
        return self.folder or self.files[0].name

    @property
    def pickled(self) -> bool:
        """Whether it must be converted before it can be used."""
        return not self.folder and is_pickled(self.name)


class Choice(Frozen):
    """One of the things that can be had: its name on disk, size in bytes, what else is known."""

    name: str
    label: str
    kind: Kind
    size: int
    files: int = 1
    checked: bool = False
    pickled: bool = False


class Offer(Frozen):
    """What lies at an address; fetching one of its choices is the person's yes.

    `free` are the bytes that the models folder's drive still takes, `notices` what to know first.
    """

    id: str = ""
    title: str
    source: str
    licence: str = ""
    base: str = ""
    words: tuple[str, ...] = ()
    about: str = ""
    free: int = 0
    notices: tuple[str, ...] = ()
    choices: tuple[Choice, ...]


class Find(Frozen):
    """An offer with the order behind each of its choices."""

    offer: Offer
    orders: tuple[Order, ...]


def make_find(orders: list[Order], labels: list[str] | None = None, **told: Any) -> Find:
    """The find of these orders; `told` are members of the offer."""
    orders = orders[:MOST_CHOICES]
    names = labels or [order.name for order in orders]
    choices = tuple(
        Choice(
            name=order.name,
            label=label,
            kind=order.kind,
            size=order.size,
            files=len(order.files),
            checked=all(file.sha256 for file in order.files),
            pickled=order.pickled,
        )
        for order, label in zip(orders, names, strict=False)
    )
    return Find(offer=Offer(choices=choices, **told), orders=tuple(orders))


def is_model_name(name: str) -> bool:
    """Whether a file of this name may be a model."""
    return name.casefold().endswith(MODELS)


def is_pickled(name: str) -> bool:
    """Whether a file of this name is for the converter."""
    return name.casefold().endswith(PICKLED)


def safe_name(name: str, default: str = "model") -> str:
    """A name that every system takes for a file's, as near to `name` as that can be.

    Of a path the last piece is kept; what turns letters around or cannot be seen goes.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    seen = "".join(c for c in last if unicodedata.category(c)[0] != "C")
    stem, point, ending = NO_NAME.sub("_", seen).strip(" .").rpartition(".")
    if not point or len(ending) > 20:
        stem, point, ending = f"{stem}{point}{ending}", "", ""
    while len(stem.encode()) > LONGEST_NAME:
        stem = stem[:-1]
    stem = stem.strip(" .") or default
    if stem.split(".", 1)[0].strip().upper() in RESERVED:
        stem = f"_{stem}"
    made = f"{stem}{point}{ending}"
    return made if is_file_name(made) else default


def plain_text(value: Any, most: int = 300) -> str:
    """A text of a site as one line of bounded length; "" for anything else."""
    if not isinstance(value, str):
        return ""
    seen = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in value[: 4 * most])
    return " ".join(seen.split())[:most]
