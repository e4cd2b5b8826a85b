"""What a pickle of tensors is made of here: plain data, and records that stand for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webui.errors import UnsupportedModel
from webui.library.entries import BITS

Value = Any
"""None, numbers, text, bytes, lists, tuples, dictionaries, and the records below."""


@dataclass(frozen=True)
class Symbol:
    """A name that a pickle mentions, `module.name`; nothing is ever imported for it."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file by its key; `dtype` None where only a tensor tells it."""

    key: str
    dtype: str | None
    numel: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a view on a storage; offset and strides count elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False)
class Opaque:
    """An object that is carried along unread, such as a trainer's settings."""

    symbol: Symbol
    state: list[Value] = field(default_factory=list[Value], repr=False)


PLAIN_KEYS = (str, int, float, bytes, type(None), Symbol, Opaque)


def as_key(value: Value) -> Value:
    """A value as the key of a dictionary; raises ValueError for what is none.

    Tuples become opaque: the hash of one that holds another twice, and so on, never ends.
    """
    if isinstance(value, tuple):
        return Opaque(Symbol("builtins.tuple"))
    if not isinstance(value, PLAIN_KEYS):
        raise ValueError(f"a {type(value).__name__} is no key")
    return value


DTYPES: Mapping[str, str] = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
    "double": "F64",
    "float": "F32",
    "half": "F16",
    "long": "I64",
    "int": "I32",
    "short": "I16",
    "char": "I8",
    "byte": "U8",
}
"""torch's names of element types as safetensors spells them."""

STORAGES: Mapping[str, str | None] = {
    **{f"{name.capitalize()}Storage": dtype for name, dtype in DTYPES.items() if "_" not in name},
    "BFloat16Storage": "BF16",
    "UntypedStorage": None,
}

CONTAINERS = frozenset(
    ("torch.nn.modules.container.ParameterDict", "torch.nn.modules.container.ParameterList")
)
"""Classes whose state holds tensors: old embeddings are kept in one."""

HARMLESS = CONTAINERS | frozenset(
    (
        "torch.device",
        "torch._utils._unflatten_none",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "__builtin__.set",
        "builtins.set",
        "argparse.Namespace",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "collections.defaultdict",
        "collections.Counter",
        "datetime.datetime",
        "typing.Any",
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.listconfig.ListConfig",
        "omegaconf.base.ContainerMetadata",
        "omegaconf.base.Metadata",
        "omegaconf.nodes.AnyNode",
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "lightning_fabric.utilities.data.AttributeDict",
        *(f"{kind}.{name}" for kind in ("builtins", "__builtin__") for name in ("int", "dict")),
        *(f"{kind}.{name}" for kind in ("builtins", "__builtin__") for name in ("list", "object")),
    )
)
"""What the files of trainers mention besides tensors; it is carried along and never looked into."""


def refuse(name: str) -> UnsupportedModel:
    """The error for a name that no model needs."""
    return UnsupportedModel(
        f"The file asks for {name[:100]!r}, which no model needs. It may be made to do harm, so it "
        "was not converted.",
        "a name that is not on the list of what tensors are made with",
    )


def element_bytes(dtype: str) -> int:
    """How many bytes one element takes."""
    return BITS[dtype] // 8
