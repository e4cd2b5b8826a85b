"""One merge at work: opened files in, the bytes of the result's tensors out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from webui.contract.merging import MergeRequest
from webui.library.tensorfile import Buffer, TensorReader
from webui.weights.merge.blocks import Shares
from webui.weights.merge.plan import PLAIN_CHANNELS, Step, make_plan
from webui.weights.merge.tensors import as_bytes, elements, first_channels_mixed, is_float, mixed


class Merge:
    """What `asked` makes of the opened `models` (A, B and C as needed) and the opened VAE.

    Raises what `make_plan` raises.
    """

    def __init__(
        self, asked: MergeRequest, models: Sequence[TensorReader], vae: TensorReader | None
    ) -> None:
        self._a, *others = models
        self._b = others[0] if others else None
        self._c = others[1] if len(others) > 1 else None
        self._vae = vae
        headers = [None if r is None else r.header for r in (self._b, self._c, vae)]
        self.steps: Mapping[str, Step] = make_plan(asked, self._a.header, *headers)
        self._shares = Shares.of(asked.multiplier, asked.blocks)

    @property
    def mixed(self) -> int:
        """How many tensors of the result are mixed."""
        return sum(step.act.startswith("mix") for step in self.steps.values())

    def pieces(self, name: str) -> Iterable[Buffer]:
        """The bytes of a tensor of the result, a piece at a time."""
        step = self.steps[name]
        if step.act == "vae" and self._vae is not None:
            return _kept(self._vae, step.other, step.out.dtype)
        if step.act == "keep" or self._b is None:
            return _kept(self._a, name, step.out.dtype)
        return self._mixed(name, step, self._b)

    def _mixed(self, name: str, step: Step, other: TensorReader) -> Iterator[Buffer]:
        share = self._shares.share(name)
        a, b = elements(self._a, name), elements(other, step.other)
        c = None
        if self._c is not None and step.origin is not None:
            c = elements(self._c, step.origin)
        if step.act == "mix_channels":
            small = torch.cat([*b]), None if c is None else torch.cat([*c])
            whole = torch.cat([*a]).reshape(step.out.shape)
            yield as_bytes(
                first_channels_mixed(whole, *small, share, PLAIN_CHANNELS), step.out.dtype
            )
            return
        for values in mixed(a, b, c, share):
            yield as_bytes(values, step.out.dtype)


def _kept(reader: TensorReader, name: str, dtype: str) -> Iterable[Buffer]:
    """A tensor as it is, in other numbers where they are asked for."""
    info = reader.header.tensors[name]
    if info.dtype == dtype or not is_float(info):
        return reader.pieces(name)
    return (as_bytes(values, dtype) for values in elements(reader, name))
