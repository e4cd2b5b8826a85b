"""Text encoders in OpenCLIP's names, as SD 2.x and SDXL carry them, under transformers' names."""

from collections.abc import Iterator

from torch import Tensor

from webui.errors import UnsupportedModel

State = dict[str, Tensor]

BLOCKS = "transformer.resblocks."
PROJECTION = "text_projection"
ENDS = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
INNER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
JOINED = ("attn.in_proj_weight", "attn.in_proj_bias")
THIRDS = ("q_proj", "k_proj", "v_proj")
LEFT = ("logit_scale", "attn_mask")
"""What the training of the encoder used and reading does not."""


def is_open_clip(names: set[str]) -> bool:
    """Whether a part's names, without its prefix, are OpenCLIP's."""
    return any(name.startswith(BLOCKS) for name in names)


def block_count(names: set[str], projects: bool) -> int:
    """How many blocks of an encoder with these names are read.

    SD 2.x reads what comes before the last block, and its own files hold that block too; files
    that were converted back from diffusers do not. Both that block and the projection after it are
    there, or neither is.
    """
    blocks = {name.split(".")[2] for name in names if name.startswith(BLOCKS)}
    return len(blocks) - (PROJECTION in names and not projects)


def transformers_tower(state: State, projects: bool) -> State:
    """The tensors of an OpenCLIP text encoder under the names of transformers' CLIPTextModel.

    `projects` keeps the projection of the pooled vector, which OpenCLIP stores transposed. Raises
    UnsupportedModel where a tensor is of no such encoder.
    """
    count = block_count(set(state), projects)
    renamed: State = {}
    for name, tensor in state.items():
        for new, part in _renamed(name, tensor, count, projects):
            renamed[new] = part
    return renamed


def _renamed(name: str, tensor: Tensor, count: int, projects: bool) -> Iterator[tuple[str, Tensor]]:
    if name in ENDS:
        yield ENDS[name], tensor
    elif name == PROJECTION:
        if projects:
            yield f"{PROJECTION}.weight", tensor.T.contiguous()
    elif name.startswith(BLOCKS):
        number, inner = name.removeprefix(BLOCKS).split(".", 1)
        if int(number) < count:
            yield from _block(f"encoder.layers.{number}.", inner, tensor)
    elif name not in LEFT:
        raise UnsupportedModel(
            "The file's text encoder holds tensors of an unknown kind.", f"{name} has no place"
        )


def _block(layer: str, inner: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if inner in JOINED:
        kind = inner.rsplit("_", 1)[1]
        for third, part in zip(THIRDS, tensor.chunk(3), strict=True):
            yield f"{layer}self_attn.{third}.{kind}", part
        return
    stem, kind = inner.rsplit(".", 1)
    if stem not in INNER:
        raise UnsupportedModel(
            "The file's text encoder holds tensors of an unknown kind.", f"{inner} has no place"
        )
    yield f"{layer}{INNER[stem]}.{kind}", tensor
