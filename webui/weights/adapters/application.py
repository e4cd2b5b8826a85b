"""Adapters in force: a checkpoint's layers changed within a block, and every bit put back after."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from webui.weights.adapters.files import Adapter
from webui.weights.adapters.formulas import (
    BIAS,
    Misfit,
    Parts,
    bias_change,
    find_formula,
    weight_change,
)
from webui.weights.adapters.places import Place, find_places
from webui.weights.checkpoint import Checkpoint

EXAMPLES = 3


@dataclass(frozen=True)
class Wish:
    """An adapter with its strengths in the text encoders and in the network.

    `dyn` is the rank that a LoRA is cut down to; None leaves it whole.
    """

    adapter: Adapter
    te: float = 1.0
    network: float = 1.0
    dyn: int | None = None

    @property
    def reading(self) -> Hashable:
        """What tells how prompts are read under it; None where they are read as without it."""
        return (self.adapter.identity, self.te, self.dyn) if self.te else None


@dataclass
class Account:
    """What became of an adapter's tensors: how many were used, and the names of the others."""

    wish: Wish
    used: int = 0
    left: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Adapters:
    """A patch: adapters laid on a checkpoint one after the other.

    The originals are kept aside as they are, so leaving copies nothing and loses no bit. `tell`
    brings a sentence to the user about tensors of a file that were not used.
    """

    wishes: Sequence[Wish]
    tell: Callable[[str], None]

    @contextmanager
    def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Change the layers of the network and the text encoders."""
        kept: dict[nn.Parameter, Tensor] = {}
        try:
            if self.wishes:
                with torch.inference_mode(False), torch.no_grad():
                    self._change(checkpoint, kept)
            yield
        finally:
            with torch.inference_mode(False):
                for parameter, original in kept.items():
                    parameter.data = original

    def _change(self, checkpoint: Checkpoint, kept: dict[nn.Parameter, Tensor]) -> None:
        accounts = [Account(wish, left=list(wish.adapter.strays)) for wish in self.wishes]
        for place, shares in _by_layer(find_places(checkpoint), accounts).items():
            for parameter, changed in _changed(place, shares).items():
                kept.setdefault(parameter, parameter.data)  # two layers may share it
                parameter.data = changed.to(parameter.dtype)  # rounded once for all adapters
        for account in accounts:
            if account.left:
                self.tell(_told(account, checkpoint.title))


Share = tuple[Account, str, Parts]
"""What an adapter has for one layer, and the name that it has there."""


def _by_layer(places: Mapping[str, Place], accounts: Sequence[Account]) -> dict[Place, list[Share]]:
    """What all adapters have for each layer; what has no layer is noted as left."""
    found: dict[Place, list[Share]] = {}
    for account in accounts:
        for path, parts in account.wish.adapter.layers.items():
            place = places.get(path)
            if place is None:
                account.left += [f"{path}.{word}" for word in parts]
            else:
                found.setdefault(place, []).append((account, path, parts))
    return found


def _changed(place: Place, shares: Sequence[Share]) -> dict[nn.Parameter, Tensor]:
    """A layer's weight and bias with all that is added to them, in float32."""
    sums: dict[nn.Parameter, Tensor] = {}
    for account, path, parts in shares:
        wish, used = account.wish, set[str]()
        strength = wish.te if place.text else wish.network
        try:
            changes = _changes(place.module, parts, wish.dyn, sums, used)
        except Misfit:
            changes, used = {}, set[str]()
        account.used += len(used)
        account.left += [f"{path}.{word}" for word in parts if word not in used]
        for parameter, change in changes.items():
            if strength:
                sums[parameter] = sums.get(parameter, parameter.float()) + strength * change
    return sums


def _changes(
    module: nn.Module,
    parts: Parts,
    dyn: int | None,
    sums: Mapping[nn.Parameter, Tensor],
    used: set[str],
) -> dict[nn.Parameter, Tensor]:
    """What one adapter adds to a layer at strength 1; the words it needs for that go to `used`.

    Raises Misfit.
    """
    changes: dict[nn.Parameter, Tensor] = {}
    weight, bias = module.weight, getattr(module, "bias", None)
    formula = find_formula(parts)
    if formula is not None and isinstance(weight, nn.Parameter):
        changes[weight] = weight_change(formula, parts, sums.get(weight, weight), dyn)
        used |= formula.words & parts.keys()
    if isinstance(bias, nn.Parameter):
        change = bias_change(parts, bias)
        if change is not None:
            changes[bias] = change
            used |= parts.keys() & BIAS
    return changes


def _told(account: Account, title: str) -> str:
    """What of a file was not used, as a sentence."""
    adapter, left = account.wish.adapter, account.left
    if not account.used:
        return (
            f"{adapter.name} changes nothing in {title}: none of its {adapter.size} tensors has a "
            "place there. It is likely made for another kind of model."
        )
    shown = ", ".join(left[:EXAMPLES])
    more = ", and more" if len(left) > EXAMPLES else ""
    return (
        f"{len(left)} of the {adapter.size} tensors of {adapter.name} have no place in "
        f"{title} and are not used: {shown}{more}."
    )
