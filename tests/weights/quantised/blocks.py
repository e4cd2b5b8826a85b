"""Random packed numbers, and what the format's own package makes of them."""

import gguf
import numpy as np

from webui.library.gguf import BLOCKS

CODES = {block.name: code for code, block in BLOCKS.items()}
HALVES = {
    **dict.fromkeys(("Q4_0", "Q5_0", "Q8_0", "IQ4_NL", "IQ4_XS"), (0,)),
    **dict.fromkeys(("Q4_1", "Q5_1", "Q4_K", "Q5_K"), (0, 2)),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q6_K": (208,),
}
"""Where a block holds numbers of half precision: random bytes there need not be numbers."""


def random_rows(kind: str, rows: int, width: int, seed: int = 0) -> np.ndarray:
    """Packed rows (rows, bytes) of `width` numbers each."""
    block = BLOCKS[CODES[kind]]
    generator = np.random.default_rng(seed)
    packed = generator.integers(0, 256, (rows * width // block.numbers, block.bytes), np.uint8)
    for start in HALVES[kind]:
        scale = generator.normal(0, 0.01, (len(packed), 1)).astype(np.float16)
        packed[:, start : start + 2] = scale.view(np.uint8)
    return packed.reshape(rows, -1)


def unpacked(kind: str, packed: np.ndarray) -> np.ndarray:
    """The numbers by the gguf package, float32."""
    return gguf.dequantize(packed, gguf.GGMLQuantizationType(CODES[kind]))
