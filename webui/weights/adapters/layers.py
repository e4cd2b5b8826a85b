"""What adapters do to layers, piece by piece, and a ledger of it that is undone bit for bit."""

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from webui.weights.adapters.beside import Beside, Change, Product, is_mergeable, whole_weight
from webui.weights.adapters.formulas import (
    BIAS,
    Misfit,
    Parts,
    bias_change,
    find_formula,
    low_rank_pair,
    weight_change,
)
from webui.weights.adapters.places import Piece, Place


class Ledger:
    """Sums in float32 of what adapters make of weights, and the originals, kept as they are.

    Weights that cannot be added to have their changes kept beside them.
    """

    def __init__(self) -> None:
        self._sums: dict[nn.Parameter, Tensor] = {}
        self._kept: dict[nn.Parameter, Tensor] = {}
        self._beside: dict[nn.Module, Beside] = {}
        self._handles: list[RemovableHandle] = []

    def present(self, parameter: nn.Parameter) -> Tensor:
        """A weight with what was added to it so far, float32."""
        known = self._sums.get(parameter)
        return whole_weight(parameter) if known is None else known

    def add(self, piece: Piece, word: str, change: Change, strength: float) -> None:
        """Add `strength` times `change` to the weight or bias of `piece`."""
        parameter = getattr(piece.module, word)
        if is_mergeable(parameter, piece.module):
            if parameter not in self._sums:
                self._sums[parameter] = parameter.detach().to(torch.float32, copy=True)
            _sum_up(piece.of(self._sums[parameter]), change, strength)
            return
        beside = self._beside.setdefault(piece.module, Beside(piece.module))
        whole = _widened(piece, parameter, change)
        if isinstance(whole, Product):
            beside.changes.append(Product(whole.up * strength, whole.down))
        elif word == "weight":
            beside.changes.append(whole * strength)
        else:
            beside.bias.append(whole * strength)

    def settle(self, parameter: nn.Parameter) -> None:
        """Put a finished sum into force, rounded to the weight's own format."""
        changed = self._sums.pop(parameter, None)
        if changed is not None:
            self._kept[parameter] = parameter.data
            parameter.data = changed.to(parameter.dtype)

    def attach(self) -> None:
        """Put what is kept beside into force."""
        self._handles = [beside.attach() for beside in self._beside.values()]

    def undo(self) -> None:
        """Put everything back, on whatever device the layers are by now."""
        for handle in self._handles:
            handle.remove()
        for parameter, original in self._kept.items():
            parameter.data = original.to(parameter.device)


def _sum_up(rows: Tensor, change: Change, strength: float) -> None:
    """Add a change to rows of a sum; a product goes straight in where they lie in order."""
    if isinstance(change, Tensor):
        rows.add_(change.reshape(rows.shape), alpha=strength)
        return
    up, down = change.up.to(rows), change.down.flatten(1).to(rows)
    if rows.is_contiguous():
        rows.view(len(rows), -1).addmm_(up, down, alpha=strength)
    else:
        rows.add_((up @ down).reshape(rows.shape), alpha=strength)


def weight_changes(
    place: Place, parts: Parts, dyn: int | None, ledger: Ledger
) -> list[tuple[Piece, Change]]:
    """The differences of the weights of all pieces at strength 1; nothing where parts have none.

    Those of plain LoRAs are products, and nobody looks at the weight for them. Raises Misfit.
    """
    formula, weights = find_formula(parts), place.weights
    if formula is None or not weights:
        return []
    pair = low_rank_pair(parts, dyn)
    if pair is not None:
        return _shared_out(place, pair)
    present = [piece.of(ledger.present(weight)) for weight, piece in weights]
    whole = present[0] if len(present) == 1 else torch.cat(present)
    change = weight_change(formula, parts, whole, dyn)
    rows = change.split([one.shape[0] for one in present])
    return [(piece, one) for (_, piece), one in zip(weights, rows, strict=True)]


def bias_changes(place: Place, parts: Parts) -> list[tuple[Piece, Tensor]]:
    """The differences of the biases of all pieces at strength 1. Raises Misfit."""
    biases = place.biases
    if not biases or not BIAS & parts.keys():
        return []
    present = [piece.of(bias) for bias, piece in biases]
    whole = present[0] if len(present) == 1 else torch.cat(present)
    change = bias_change(parts, whole)
    if change is None:
        return []
    rows = change.split([len(one) for one in present])
    return [(piece, one) for (_, piece), one in zip(biases, rows, strict=True)]


def used_words(parts: Parts, weights: bool, biases: bool) -> set[str]:
    """The words of `parts` that went into changes of weights, of biases, or both."""
    formula = find_formula(parts)
    used = parts.keys() & formula.words if weights and formula is not None else set[str]()
    return used | (parts.keys() & BIAS if biases else set[str]())


def _shared_out(place: Place, pair: tuple[Tensor, Tensor]) -> list[tuple[Piece, Change]]:
    """A product's rows for each piece. Raises Misfit where they do not fit."""
    up, down = pair
    counts = [rows_of(piece) for piece in place.pieces]
    inputs = {inputs_of(piece.module) for piece in place.pieces}
    if sum(counts) != up.shape[0] or inputs != {down[0].numel()} or up.shape[1] != len(down):
        raise Misfit(f"{tuple(up.shape)} and {tuple(down.shape)} for {counts} rows of {inputs}")
    rows = up.split(counts)
    return [(piece, Product(one, down)) for piece, one in zip(place.pieces, rows, strict=True)]


def rows_of(piece: Piece) -> int:
    """How many rows a piece has."""
    return len(range(outputs_of(piece.module))[piece.start : piece.stop])


def outputs_of(module: nn.Module) -> int:
    """The number of outputs of a linear layer or convolution. Raises Misfit for others."""
    found = getattr(module, "out_features", getattr(module, "out_channels", None))
    if not isinstance(found, int):
        raise Misfit(f"{type(module).__name__} is neither linear nor a convolution")
    return found


def inputs_of(module: nn.Module) -> int:
    """The number of a row's weights in a linear layer or convolution. Raises Misfit for others."""
    found = getattr(module, "in_features", None)
    if isinstance(found, int):
        return found
    if isinstance(module, nn.Conv2d):
        height, width = module.kernel_size
        return module.in_channels // module.groups * height * width
    raise Misfit(f"{type(module).__name__} is neither linear nor a convolution")


def _widened(piece: Piece, parameter: Tensor, change: Change) -> Change:
    """The change of some rows as a change of all, nothing being added to the others."""
    total = outputs_of(piece.module)
    if rows_of(piece) == total:
        return change
    rows = change.up if isinstance(change, Product) else change
    wide = rows.new_zeros(total, *rows.shape[1:])
    piece.of(wide).copy_(rows)
    return Product(wide, change.down) if isinstance(change, Product) else wide
