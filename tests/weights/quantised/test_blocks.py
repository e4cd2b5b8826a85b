"""Every kind of block against the format's own package."""

import gguf
import pytest
import torch

from tests.weights.quantised.blocks import CODES, HALVES, random_rows, unpacked
from webui.library.gguf import BLOCKS
from webui.weights.quantised.blocks import UNPACK


@pytest.mark.parametrize("kind", sorted(UNPACK))
def test_blocks_unpack_as_the_gguf_package_unpacks_them(kind: str) -> None:
    packed = random_rows(kind, 8, 512)
    blocks = torch.from_numpy(packed).reshape(-1, BLOCKS[CODES[kind]].bytes)
    ours = UNPACK[kind](blocks).reshape(8, 512)
    assert torch.equal(ours, torch.from_numpy(unpacked(kind, packed)))


def test_the_sizes_of_blocks_are_those_of_the_gguf_package() -> None:
    for code, block in BLOCKS.items():
        kind = gguf.GGMLQuantizationType(code)
        assert kind.name == block.name
        assert gguf.GGML_QUANT_SIZES[kind] == (block.numbers, block.bytes)
    assert set(HALVES) == set(UNPACK)
