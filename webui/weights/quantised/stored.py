"""A tensor that stays packed as its file has it, and is unpacked each time it is used.

To torch it is an ordinary tensor of its full shape and of the number format that work is done in: a
linear layer takes it as its weight, and loading and moving a module move it. What cuts, joins or
moves rows keeps the packed form; everything else sees it unpacked for that call. Writing into it is
refused, since there is nothing to write to: patches keep their deltas beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils import _pytree as trees
from torch.utils import swap_tensors

from webui.weights.quantised.packings import Packing, Parts

NUMBERS_AT_ONCE = 1 << 23
"""How many numbers are unpacked in one go: intermediate results take several times that."""

aten: Any = torch.ops.aten  # pyright: ignore[reportUnknownMemberType]


class Stored(Tensor):
    """A matrix (R, width) in a packing; `dtype` is the format that it is unpacked to."""

    packing: Packing
    parts: Parts

    @staticmethod
    def __new__(cls, packing: Packing, parts: Parts, width: int, dtype: torch.dtype) -> "Stored":
        """Take `parts` as they are."""
        made: Stored = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, (len(parts[0]), width), dtype=dtype, device=parts[0].device, requires_grad=False
        )
        made.packing, made.parts = packing, parts
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(
        cls,
        function: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one of torch's operators: on the packed form where that can be."""
        given = dict(kwargs or {})
        keep = KEPT.get(function)
        kept = keep(*args, **given) if keep else NotImplemented
        if kept is not NotImplemented:
            return kept
        if function._schema.is_mutable and _writes(function, args):
            raise TypeError(f"{function} would write into a tensor that stays as its file has it")
        args, given = trees.tree_map_only(Stored, Stored.dense, (args, given))
        return function(*args, **given)

    def dense(self) -> Tensor:
        """An ordinary tensor with the same numbers, in this one's format and place."""
        rows, width = self.shape
        dense = torch.empty((rows, width), dtype=self.dtype, device=self.device)
        step = max(1, NUMBERS_AT_ONCE // max(1, width))
        for start in range(0, rows, step):
            parts = tuple(part[start : start + step] for part in self.parts)
            dense[start : start + step] = self.packing.unpack(parts, width)
        return dense

    def like(self, parts: Parts, dtype: torch.dtype | None = None) -> "Stored":
        """The same kind of matrix of other parts."""
        return Stored(self.packing, parts, self.shape[1], dtype or self.dtype)

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        """The same matrix; another `Stored` may be put in its place, also one on another device."""
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        # Torch would exchange only what lies below, and between devices not even that.
        fresh = other.detach()
        if isinstance(self, nn.Parameter):  # which torch tells by a mark on it
            setattr(fresh, "_is_param", True)  # noqa: B010
        swap_tensors(self, fresh)

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        """What its packed form takes."""
        return sum(part.nbytes for part in self.parts)

    def __tensor_flatten__(self) -> tuple[list[str], Any]:
        """For torch, which swaps such tensors when a module is moved."""
        names = [f"part_{index}" for index in range(len(self.parts))]
        return names, (self.packing, self.shape[1], self.dtype)

    @staticmethod
    def __tensor_unflatten__(
        inner: Mapping[str, Tensor], told: Any, size: Any, stride: Any
    ) -> "Stored":
        """The inverse of `__tensor_flatten__`."""
        packing, width, dtype = told
        return Stored(packing, tuple(inner.values()), width, dtype)

    def __getattr__(self, name: str) -> Tensor:
        start, _, index = name.rpartition("_")
        if start == "part" and index.isdecimal():
            return self.parts[int(index)]
        raise AttributeError(name)

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        shape = "x".join(str(axis) for axis in self.shape)
        return f"Stored({shape}, {self.packing.name} for {self.dtype}, {self.device})"


def _each(tensor: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return tensor.like(tuple(change(part) for part in tensor.parts))


def _copied(tensor: Any, **_: Any) -> Any:
    return _each(tensor, Tensor.clone)


def _same(tensor: Any) -> Any:
    return _each(tensor, Tensor.detach)


def _moved(tensor: Any, **how: Any) -> Any:
    """To another device or format; the packed numbers themselves keep theirs."""
    dtype = how.get("dtype") or tensor.dtype
    if not dtype.is_floating_point:
        return NotImplemented
    device, wait = how.get("device"), not how.get("non_blocking", False)
    parts = tuple(part.to(device, non_blocking=not wait, copy=True) for part in tensor.parts)
    return tensor.like(parts, dtype)


def _cut(tensor: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    if dim not in (0, -2) or step != 1:
        return NotImplemented
    return _each(tensor, lambda part: part[start:end])


def _split(tensor: Any, sizes: Any, dim: int = 0) -> Any:
    if dim not in (0, -2):
        return NotImplemented
    cut = [part.split(sizes) for part in tensor.parts]
    return [tensor.like(parts) for parts in zip(*cut, strict=True)]


def _joined(tensors: Sequence[Any], dim: int = 0) -> Any:
    first = next(t for t in tensors if isinstance(t, Stored))
    alike = all(
        isinstance(t, Stored)
        and (t.packing, t.shape[1], len(t.parts))
        == (first.packing, first.shape[1], len(first.parts))
        for t in tensors
    )
    if dim not in (0, -2) or not alike:
        return NotImplemented
    columns = zip(*(cast("Stored", t).parts for t in tensors), strict=True)
    return first.like(tuple(torch.cat(column) for column in columns))


def _writes(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether a packed tensor is among what the operator changes."""
    told = zip(function._schema.arguments, args, strict=False)
    return any(
        isinstance(leaf, Stored)
        for argument, value in told
        if argument.alias_info is not None and argument.alias_info.is_write
        for leaf in trees.tree_leaves(value)
    )


KEPT: Mapping[Any, Callable[..., Any]] = {
    aten.detach.default: _same,
    aten.alias.default: _same,
    aten.clone.default: _copied,
    aten._to_copy.default: _moved,
    aten.slice.Tensor: _cut,
    aten.split.Tensor: _split,
    aten.split_with_sizes.default: _split,
    aten.cat.default: _joined,
}
"""The operators that need not unpack; NotImplemented leaves one to the usual way."""
