"""From prompt to conditioning."""

from pathlib import Path

import pytest
import torch

from webui.contract.request import Emphasis, Reading
from webui.errors import InvalidRequest
from webui.prompts.encoding import Encoder, encode_prompt, encode_timeline
from webui.prompts.syntax import Span
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


def test_weights_of_one_change_no_bit(checkpoint) -> None:
    plain = encode_prompt(checkpoint, "a cat").context
    assert torch.equal(encode_prompt(checkpoint, "a (cat:1.0)").context[0, 0], plain[0, 0])
    assert not torch.equal(encode_prompt(checkpoint, "a (cat:1.3)").context, plain)


def test_no_norm_only_multiplies_and_ignore_does_nothing(checkpoint) -> None:
    plain = encode_prompt(checkpoint, "a cat").context
    told = {
        mode: Encoder(checkpoint, Reading(emphasis=mode)).text("a (cat:1.3)").context
        for mode in Emphasis
    }
    # the words are the same but they are tokenized apart, which "a" and "cat" do not notice
    assert torch.equal(told[Emphasis.IGNORE], plain)
    assert torch.equal(told[Emphasis.NO_NORM][0, 2], plain[0, 2] * 1.3)
    assert torch.equal(told[Emphasis.NO_NORM][0, 3:], plain[0, 3:])
    assert not torch.equal(told[Emphasis.NONE], plain)


def test_a_prompt_that_never_changes_is_one_segment(checkpoint) -> None:
    timeline = encode_timeline(checkpoint, "a cat", Span(20))
    assert not timeline.changes
    assert torch.equal(timeline.at(7)[0].context, encode_prompt(checkpoint, "a cat").context)


def test_an_edit_tells_its_first_text_one_call_longer(checkpoint) -> None:
    timeline = encode_timeline(checkpoint, "a [cat:dog:2]", Span(5))
    cat, dog = (encode_prompt(checkpoint, text).context for text in ("a cat", "a dog"))
    said = [timeline.at(call)[0].context for call in range(5)]
    assert all(torch.equal(one, cat) for one in said[:3])
    assert all(torch.equal(one, dog) for one in said[3:])


def test_equal_texts_are_encoded_once(checkpoint) -> None:
    timeline = encode_timeline(checkpoint, "[cat|dog]", Span(6))
    told = [segment.conditioning for segment in timeline.parts[0].segments]
    assert len(told) == 6 and len({id(one) for one in told}) == 2


def test_the_parts_of_a_composition_have_their_weights(checkpoint) -> None:
    timeline = encode_timeline(checkpoint, "a cat :1.2 AND a dog :-0.4", Span(5))
    one, two = timeline.at(0)
    assert (one.weight, two.weight) == (1.2, -0.4)
    assert torch.equal(one.context, encode_prompt(checkpoint, "a cat").context)
    negative = encode_timeline(checkpoint, "a cat AND a dog", Span(5), negative=True)
    assert len(negative.parts) == 1


def test_what_is_said_in_turn_has_one_length(checkpoint) -> None:
    timeline = encode_timeline(checkpoint, "[cat:cat BREAK dog:2]", Span(5))
    short = timeline.at(0)[0].context
    assert short.shape == (1, 154, 32)
    assert torch.equal(short[:, 77:], encode_prompt(checkpoint, "").context)


def test_tags_are_not_encoded(checkpoint) -> None:
    with_tag = encode_timeline(checkpoint, "a cat<lora:x:1>", Span(5)).at(0)[0].context
    assert torch.equal(with_tag, encode_prompt(checkpoint, "a cat").context)


def test_the_vectors_of_an_embedding_stand_in_the_place_of_its_name(checkpoint) -> None:
    encoder = checkpoint.text_encoders[0]
    words = encoder.get_input_embeddings().weight
    tokenizer = tokenizer_for(checkpoint.vocabularies[0])
    vectors = words[tokenizer.encode("cat dog")]
    learned = Encoder(checkpoint, learned={"text_encoder": {"style": vectors}})
    assert torch.equal(
        learned.text("a style").context, encode_prompt(checkpoint, "a cat dog").context
    )
    assert not words.grad_fn
    assert torch.equal(learned.text("a cat").context, encode_prompt(checkpoint, "a cat").context)
