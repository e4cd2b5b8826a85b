"""The functions of torch that make tensors, as records: all that a pickle may ask to call."""

from collections.abc import Callable, Mapping
from typing import cast

from webui.errors import UnsupportedModel
from webui.library.conversion.values import (
    DTYPES,
    STORAGES,
    Opaque,
    Storage,
    StoredTensor,
    Symbol,
    Value,
    as_key,
    refuse,
)

ARGUMENTS = frozenset(
    (
        *(f"torch.{name}" for name in STORAGES),
        *(f"torch.storage.{name}" for name in STORAGES),
        *(f"torch.{name}" for name in DTYPES),
    )
)
"""Names that are only ever handed on as arguments: kinds of storages and of elements."""
STORAGE_ARGUMENTS = 5


def persistent_storage(told: Value) -> Storage:
    """The storage that a persistent id names: ("storage", kind, key, device, numel[, view])."""
    values = list(cast("tuple[Value, ...]", told)) if isinstance(told, tuple) else []
    if len(values) < STORAGE_ARGUMENTS or values[0] != "storage":
        raise ValueError("an id names no storage")
    kind, key, numel = values[1], values[2], values[4]
    if not isinstance(kind, Symbol) or not isinstance(key, str) or type(numel) is not int:
        raise ValueError("a storage is described wrongly")
    if any(value is not None for value in values[STORAGE_ARGUMENTS:]):
        raise UnsupportedModel("The file was written by a torch that is too old to be read here.")
    name = kind.name.rsplit(".", 1)[-1]
    if name not in STORAGES or numel < 0:
        raise refuse(kind.name)
    return Storage(key, STORAGES[name], numel)


def _tensor(storage: Value, offset: Value, shape: Value, stride: Value, *_: Value) -> StoredTensor:
    """The common form: the storage's own kind of elements."""
    return _view(storage, offset, shape, stride, getattr(storage, "dtype", None))


def _tensor_of_kind(*given: Value) -> StoredTensor:
    """The form for kinds that have no storage of their own, such as 8-bit floats."""
    storage, offset, shape, stride, _, _, kind = given[:7]
    name = kind.name.rsplit(".", 1)[-1] if isinstance(kind, Symbol) else ""
    return _view(storage, offset, shape, stride, DTYPES.get(name))


def _view(
    storage: Value, offset: Value, shape: Value, stride: Value, dtype: str | None
) -> StoredTensor:
    if not isinstance(storage, Storage) or dtype is None:
        raise UnsupportedModel("The file holds tensors of a kind that safetensors has no name for.")
    numbers = [offset, *shape, *stride]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("a tensor lies at an impossible place")
    if len(shape) != len(stride):
        raise ValueError("a tensor has more axes than steps")
    return StoredTensor(storage, dtype, offset, tuple(shape), tuple(stride))


def _parameter(data: Value, *_: Value) -> Value:
    return data


def _ordered(pairs: Value = (), *_: Value) -> dict[Value, Value]:
    return {as_key(key): value for key, value in pairs}


def _size(axes: Value = ()) -> tuple[Value, ...]:
    return tuple(axes)


def _encode(text: Value, *_: Value) -> bytes:
    """Bytes as old protocols write them: text of the letters 0 to 255."""
    if not isinstance(text, str):
        raise ValueError("bytes are made of text")
    return text.encode("latin-1")


def _object(kind: Value, *_: Value) -> Opaque:
    """How the oldest protocols make an object; its class was allowed when it was named."""
    if not isinstance(kind, Symbol):
        raise ValueError("an object has no class")
    return Opaque(kind)


BUILDERS: Mapping[str, Callable[..., Value]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_kind,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "collections.OrderedDict": _ordered,
    "torch.Size": _size,
    "_codecs.encode": _encode,
    "copy_reg._reconstructor": _object,
    "copyreg._reconstructor": _object,
}
"""By the name that the pickle asks for; what is returned is data, whatever the arguments are."""
