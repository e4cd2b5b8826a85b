"""How each kind of adapter changes a layer: from its tensors and the weight to a difference.

All differences are for strength 1, in float32, shaped as the weight. Papers: LoRA (Hu and others
2021), LoHa (Hyeon-Woo and others 2021), LoKr (Yeh and others 2023), IA3 (Liu and others 2022),
GLoRA (Chavan and others 2023), DoRA (Liu and others 2024), DyLoRA's ranks (Valipour and others
2022).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from webui.weights.adapters.rotations import rotated
from webui.weights.memory import is_memory_error

Parts = Mapping[str, Tensor]
"""The tensors that a file has for one layer, by the words of `keys.ENDINGS`."""


class Misfit(ValueError):
    """The tensors of an adapter do not fit each other or the layer."""


@dataclass(frozen=True)
class Formula:
    """A kind of change.

    Attributes:
        needs: of each of these groups one word must be there.
        takes: words that it can use beyond those.
        change: from parts, weight and the limit of the rank to the difference.
    """

    needs: tuple[tuple[str, ...], ...]
    takes: tuple[str, ...]
    change: Callable[[Parts, Tensor, int | None], Tensor]

    @property
    def words(self) -> frozenset[str]:
        """Every word that it can use."""
        return frozenset(self.takes).union(*self.needs)

    def fits(self, parts: Parts) -> bool:
        """Whether the parts are of this kind."""
        return all(any(word in parts for word in group) for group in self.needs)


def find_formula(parts: Parts) -> Formula | None:
    """The formula for the weight that these parts are of; None where they do not change it."""
    return next((formula for formula in FORMULAS if formula.fits(parts)), None)


def weight_change(formula: Formula, parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    """The difference for `weight` at strength 1, with DoRA's magnitude where the parts have one.

    Raises Misfit.
    """
    whole = weight.float()
    moved = {word: tensor.to(weight.device, torch.float32) for word, tensor in parts.items()}
    try:
        change = formula.change(moved, whole, dyn).reshape(whole.shape)
        if "dora_scale" in moved or "magnitude" in moved:
            change = _decomposed(change, whole, moved)
    except (RuntimeError, KeyError, IndexError) as error:
        if is_memory_error(error):
            raise
        raise Misfit(str(error)) from error
    return change


def low_rank_pair(parts: Parts, dyn: int | None) -> tuple[Tensor, Tensor] | None:
    """Up (O, R) and down (R, ...) whose product is a plain LoRA's difference at strength 1.

    None for every other kind of change, and for a LoRA whose difference is no plain product.
    """
    formula = find_formula(parts)
    if formula is None or formula.change is not _low_rank:
        return None
    if parts.keys() & {"mid", "dora_scale", "magnitude"}:
        return None
    up, down, rank = parts["up"].flatten(1), parts["down"], parts["down"].shape[0]
    kept = rank if dyn is None else min(max(dyn, 0), rank)
    return up[:, :kept].float() * _scale(parts, rank), down[:kept].float()


def bias_change(parts: Parts, bias: Tensor) -> Tensor | None:
    """The difference for a layer's bias at strength 1; None where there is none. Raises Misfit."""
    change = next((parts[word] for word in BIAS if word in parts), None)
    if change is None:
        return None
    if change.numel() != bias.numel():
        raise Misfit(f"{tuple(change.shape)} for a bias of {tuple(bias.shape)}")
    return change.to(bias.device, torch.float32).reshape(bias.shape)


# ------------------------------------------------------------------------------------- the formulas


def _low_rank(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    """LoRA: up times down; a tucker core between them carries a convolution's kernel."""
    up, down, core = parts["up"].flatten(1), parts["down"], parts.get("mid")
    rank = down.shape[0]
    # The ranks of a DyLoRA are trained one after the other: the first ones stand alone, and with
    # the scale of the whole.
    kept = rank if dyn is None else min(max(dyn, 0), rank)
    up, down = up[:, :kept], down[:kept].flatten(1)
    if core is None:
        product = up @ down
    else:
        product = torch.einsum("op,pqkl,qi->oikl", up, core[:kept, :kept], down)
    return product * _scale(parts, rank)


def _hadamard(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    """LoHa: two low-rank products, multiplied number by number."""
    sides = [
        _product(parts[f"hada_w{n}_a"], parts[f"hada_w{n}_b"], parts.get(f"hada_t{n}"))
        for n in (1, 2)
    ]
    return sides[0] * sides[1] * _scale(parts, parts["hada_w1_b"].shape[0])


def _product(a: Tensor, b: Tensor, core: Tensor | None) -> Tensor:
    """A low-rank product; with a core, `a` and `b` carry rank by out and rank by in."""
    if core is None:
        return a @ b
    return torch.einsum("pqkl,po,qi->oikl", core, a, b)


def _kronecker(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    """LoKr: the Kronecker product of two matrices, each whole or a product itself."""
    ranks = [parts[w].shape[0] for w in ("lokr_w2_b", "lokr_w1_b") if w in parts]
    sides: list[Tensor] = []
    for n in (1, 2):
        whole = parts.get(f"lokr_w{n}")
        if whole is None:
            core = parts.get(f"lokr_t{n}")
            whole = _product(parts[f"lokr_w{n}_a"], parts[f"lokr_w{n}_b"], core)
        sides.append(whole)
    small, large = (side.contiguous() for side in sides)
    small = small.reshape(*small.shape, *(1,) * (large.dim() - small.dim()))
    return torch.kron(small, large) * (_scale(parts, ranks[0]) if ranks else 1.0)


def _generalised(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    """GLoRA: a low-rank product, and another one that the weight is multiplied by."""
    a1, a2, b1, b2 = (parts[word].flatten(1) for word in ("a1", "a2", "b1", "b2"))
    return (b2 @ b1 + weight.flatten(1) @ a2 @ a1) * _scale(parts, b1.shape[0])


def _rotation(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    return rotated(parts, weight) - weight


def _replacement(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    return parts["set_weight"].reshape(weight.shape) - weight


def _difference(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    return parts["diff"]


def _norm_difference(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    return parts["w_norm"]


def _rescaling(parts: Parts, weight: Tensor, dyn: int | None) -> Tensor:
    """IA3: a share of the weight's own rows or, on the layer's input, of its columns."""
    on_input = "on_input" in parts and bool(parts["on_input"].any())
    axis = 1 if on_input else 0
    shape = [weight.shape[d] if d == axis else 1 for d in range(weight.dim())]
    return weight * parts["ia3"].reshape(shape)


def _decomposed(change: Tensor, weight: Tensor, parts: Parts) -> Tensor:
    """DoRA: the changed weight's direction, under a magnitude of its own."""
    merged = weight + change
    magnitude = parts.get("magnitude")
    by_column = magnitude is None and parts["dora_scale"].shape[0] == 1
    if magnitude is None:
        magnitude = parts["dora_scale"]
    axis = 1 if by_column else 0
    others = [d for d in range(merged.dim()) if d != axis]
    norm = torch.linalg.vector_norm(merged, dim=others, keepdim=True)
    scale = magnitude.reshape(norm.shape) / norm.clamp_min(torch.finfo(norm.dtype).tiny)
    return merged * scale - weight


def _scale(parts: Parts, rank: int) -> float:
    return float(parts["alpha"].item()) / max(rank, 1) if "alpha" in parts else 1.0


COMMON = ("alpha", "dora_scale", "magnitude")
BIAS = frozenset(("diff_b", "b_norm"))
FORMULAS = (
    Formula((("up",), ("down",)), ("mid", *COMMON), _low_rank),
    Formula(
        (("hada_w1_a",), ("hada_w1_b",), ("hada_w2_a",), ("hada_w2_b",)),
        ("hada_t1", "hada_t2", *COMMON),
        _hadamard,
    ),
    Formula(
        (("lokr_w1", "lokr_w1_a"), ("lokr_w2", "lokr_w2_a")),
        ("lokr_w1_b", "lokr_w2_b", "lokr_t1", "lokr_t2", *COMMON),
        _kronecker,
    ),
    Formula((("a1",), ("a2",), ("b1",), ("b2",)), COMMON, _generalised),
    Formula((("oft_blocks", "oft_diag"),), ("rescale", *COMMON), _rotation),
    Formula((("diff",),), COMMON, _difference),
    Formula((("set_weight",),), COMMON, _replacement),
    Formula((("w_norm",),), COMMON, _norm_difference),
    Formula((("ia3",),), ("on_input", *COMMON), _rescaling),
)
