"""From prompt to conditioning."""

from pathlib import Path

import pytest
import torch

from webui.errors import InvalidRequest
from webui.prompts.encoding import encode_prompt, encode_prompts, weighted
from webui.prompts.tokens import tokenizer_for
from webui.weights.torchvision_guard import mend_torchvision


@pytest.fixture(scope="module")
def checkpoint(tiny_file: Path):
    mend_torchvision()
    from webui.weights.loading import load_checkpoint

    return load_checkpoint(tiny_file, "cpu", torch.float32)


def test_a_prompt_becomes_77_vectors_for_each_chunk(checkpoint) -> None:
    assert encode_prompt(checkpoint, "a cat").context.shape == (1, 77, 32)
    assert encode_prompt(checkpoint, "").context.shape == (1, 77, 32)
    assert encode_prompt(checkpoint, "a cat BREAK a dog").context.shape == (1, 154, 32)
    conditioning = encode_prompt(checkpoint, "cat")
    assert conditioning.context.dtype == torch.float32
    assert conditioning.pooled is None and conditioning.weight == 1.0
    assert not conditioning.context.is_inference()


def test_an_unweighted_prompt_is_what_the_encoder_says(checkpoint) -> None:
    (chunk,) = tokenizer_for(checkpoint.vocabularies[0]).chunks("a photo of a cat")
    want = checkpoint.text_encoders[0](torch.tensor([chunk.ids])).last_hidden_state
    assert torch.equal(encode_prompt(checkpoint, "a photo of a cat").context, want)


def test_a_chunk_is_the_same_alone_and_beside_others(checkpoint) -> None:
    both = encode_prompt(checkpoint, "a cat BREAK a dog").context
    assert torch.equal(both[:, :77], encode_prompt(checkpoint, "a cat").context)
    assert torch.equal(both[:, 77:], encode_prompt(checkpoint, "a dog").context)


def test_clip_skip_takes_an_earlier_layer_through_the_final_norm(checkpoint) -> None:
    encoder = checkpoint.text_encoders[0]
    (chunk,) = tokenizer_for(checkpoint.vocabularies[0]).chunks("a cat")
    states = encoder(torch.tensor([chunk.ids]), output_hidden_states=True).hidden_states
    assert len(states) == 4  # the embeddings and three layers
    for skip in (1, 2, 3):
        want = encoder.final_layer_norm(states[-skip])
        assert torch.equal(encode_prompt(checkpoint, "a cat", skip).context, want)


def test_skipping_a_layer_is_a_shorter_encoder(checkpoint) -> None:
    import copy

    shorter = copy.deepcopy(checkpoint.text_encoders[0])
    shorter.encoder.layers = shorter.encoder.layers[:-1]
    (chunk,) = tokenizer_for(checkpoint.vocabularies[0]).chunks("a cat")
    want = shorter(torch.tensor([chunk.ids])).last_hidden_state
    assert torch.equal(encode_prompt(checkpoint, "a cat", 2).context, want)


def test_more_clip_skip_than_layers_names_the_field(checkpoint) -> None:
    with pytest.raises(InvalidRequest, match="3 layers") as caught:
        encode_prompt(checkpoint, "a cat", 4)
    assert caught.value.field == "model.clip_skip"


def test_a_weight_scales_its_words_and_leaves_the_mean() -> None:
    outputs = torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    weights = [1.0] * 5 + [1.5] * 3 + [1.0] * 69
    result = weighted(outputs, weights)
    assert float(result.mean()) == pytest.approx(float(outputs.mean()), rel=1e-5)
    ratio = result / outputs
    assert torch.allclose(ratio[:, 5:8] / ratio[:, :1], torch.tensor(1.5), atol=1e-4)


def test_where_the_mean_is_nothing_weights_only_multiply() -> None:
    outputs = torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(0))
    outputs -= outputs.mean()
    weights = [1.0] * 5 + [1.5] * 3 + [1.0] * 69
    result = weighted(outputs, weights)
    assert torch.equal(result[:, :5], outputs[:, :5])
    assert torch.equal(result[:, 5:8], outputs[:, 5:8] * 1.5)


def test_weights_of_one_change_no_bit(checkpoint) -> None:
    plain = encode_prompt(checkpoint, "a cat").context
    assert torch.equal(encode_prompt(checkpoint, "a (cat:1.0)").context[0, 0], plain[0, 0])
    assert torch.equal(weighted(plain, [1.0] * 77), plain)
    assert not torch.equal(encode_prompt(checkpoint, "a (cat:1.3)").context, plain)


def test_equal_texts_are_encoded_once(checkpoint) -> None:
    one, two, three = encode_prompts(checkpoint, ["cat", "dog", "cat"])
    assert one is three
    assert one is not two
