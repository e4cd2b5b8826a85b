"""Adapters in force: a checkpoint's layers changed within a block, and every bit put back after."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from webui.weights.adapters.files import Adapter
from webui.weights.adapters.formulas import Misfit, Parts
from webui.weights.adapters.kinship import is_stranger, refusal
from webui.weights.adapters.layers import Ledger, bias_changes, used_words, weight_changes
from webui.weights.adapters.places import Place, find_places
from webui.weights.checkpoint import Checkpoint
from webui.weights.hypernetworks import Hypernetwork, attach, is_for

EXAMPLES = 3

BlockWeights = tuple[tuple[str, float], ...]
"""Blocks of the network as `Place.block` names them, each with a factor."""


@dataclass(frozen=True)
class Wish:
    """An adapter with its strengths in the text encoders and in the network.

    `dyn` is the rank that a LoRA is cut down to; None leaves it whole. `blocks` has factors for
    the blocks it names.
    """

    adapter: Adapter
    te: float = 1.0
    network: float = 1.0
    dyn: int | None = None
    blocks: BlockWeights = ()

    @property
    def reading(self) -> Hashable:
        """What tells how prompts are read under it; None where they are read as without it."""
        return (self.adapter.identity, self.te, self.dyn, self.blocks) if self.te else None

    def strength(self, place: Place) -> float:
        """How strong it is in a layer."""
        return (self.te if place.text else self.network) * dict(self.blocks).get(place.block, 1.0)


@dataclass
class Account:
    """What became of an adapter's tensors: how many were used, and the names of the others."""

    wish: Wish
    used: int = 0
    left: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Adapters:
    """A patch: adapters laid on a checkpoint one after the other, then hypernetworks.

    The originals are kept aside as they are, so leaving copies nothing and loses no bit. `tell`
    brings a sentence to the user about tensors of a file that were not used.
    """

    wishes: Sequence[Wish]
    tell: Callable[[str], None]
    hypernetworks: Sequence[tuple[Hypernetwork, float]] = ()

    @property
    def asked(self) -> Hashable:
        """All that is wished for, to tell it from another patch."""
        own = tuple((network.identity, strength) for network, strength in self.hypernetworks)
        return tuple(self.wishes), own

    @contextmanager
    def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Change the layers of the network and the text encoders."""
        ledger, handles = Ledger(), list[RemovableHandle]()
        try:
            if self.wishes:
                checkpoint.rest()
                with torch.inference_mode(False), torch.no_grad():
                    self._change(checkpoint, ledger)
            handles += self._attach(checkpoint)
            yield
        finally:
            for handle in handles:
                handle.remove()
            checkpoint.rest()
            with torch.inference_mode(False):
                ledger.undo()

    def _change(self, checkpoint: Checkpoint, ledger: Ledger) -> None:
        wishes = [wish for wish in self.wishes if self._is_kin(wish.adapter, checkpoint)]
        accounts = [Account(wish, left=list(wish.adapter.strays)) for wish in wishes]
        found = _by_place(find_places(checkpoint), accounts)
        # Several places may share a weight; it is rounded once, after the last of them.
        awaited = Counter(one for place in found for one in _parameters(place))
        for place, shares in found.items():
            for share in shares:
                _add(place, share, ledger)
            for parameter in _parameters(place):
                awaited[parameter] -= 1
                if not awaited[parameter]:
                    ledger.settle(parameter)
        ledger.attach()
        for account in accounts:
            if account.left:
                self.tell(_told(account, checkpoint.title))

    def _attach(self, checkpoint: Checkpoint) -> list[RemovableHandle]:
        """Put the hypernetworks before the attention layers, those that fit."""
        network, handles = checkpoint.network.module, list[RemovableHandle]()
        for one, strength in self.hypernetworks:
            if is_for(one, network):
                handles += attach(one, network, strength)
            else:
                self.tell(
                    f"The hypernetwork {one.name} is made for models whose text encoder has "
                    f"another width than that of {checkpoint.title}: it is left out."
                )
        return handles

    def _is_kin(self, adapter: Adapter, checkpoint: Checkpoint) -> bool:
        """Whether an adapter may be for the checkpoint; where it cannot be, that is said."""
        family, stranger = checkpoint.family, is_stranger(adapter.family, checkpoint.family)
        if stranger:
            self.tell(refusal(adapter.name, adapter.family, family, checkpoint.title))
        return not stranger


Share = tuple[Account, str, Parts]
"""What an adapter has for one place, and the name that it has there."""


def _by_place(places: Mapping[str, Place], accounts: Sequence[Account]) -> dict[Place, list[Share]]:
    """What all adapters have for each place; what has no place is noted as left."""
    found: dict[Place, list[Share]] = {}
    for account in accounts:
        for path, parts in account.wish.adapter.layers.items():
            place = places.get(path)
            if place is None:
                account.left += [f"{path}.{word}" for word in parts]
            else:
                found.setdefault(place, []).append((account, path, parts))
    return found


def _parameters(place: Place) -> set[nn.Parameter]:
    return {parameter for parameter, _ in (*place.weights, *place.biases)}


def _add(place: Place, share: Share, ledger: Ledger) -> None:
    """Note one adapter's changes of a place; nothing where its tensors do not fit."""
    account, path, parts = share
    strength, used = account.wish.strength(place), set[str]()
    try:
        weights = weight_changes(place, parts, account.wish.dyn, ledger)
        biases = bias_changes(place, parts)
        used = used_words(parts, bool(weights), bool(biases))
        if strength:
            for piece, change in weights:
                ledger.add(piece, "weight", change, strength)
            for piece, change in biases:
                ledger.add(piece, "bias", change, strength)
    except Misfit:
        used = set()
    account.used += len(used)
    account.left += [f"{path}.{word}" for word in parts if word not in used]


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
