"""What holds for each built-in effect: off is off to the bit, and nothing is left behind."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.effects.conftest import Stand
from webui.effects.builtin import BuiltinEffects
from webui.effects.forms import FORMS
from webui.plugins import Effect

EFFECTS = {effect.name: effect for effect in BuiltinEffects().register_effects()}


def suggested(effect: Effect[Any]) -> Any:
    more = {"max_downsample": 4} if effect.name == "token_merging" else {}
    return effect.form.args_type.model_validate({**effect.form.suggested, **more})


def state(module: nn.Module) -> list[Any]:
    """Everything of a network that a patch could leave behind."""
    found: list[Any] = [(name, t.clone()) for name, t in module.state_dict().items()]
    for name, part in module.named_modules():
        plain = {k: v for k, v in vars(part).items() if not k.startswith("_")}
        hooks = {k: dict(v) for k, v in vars(part).items() if "hooks" in k and v is not None}
        found.append((name, type(part), {k: id(v) for k, v in plain.items()}, hooks))
    return found


def same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a[1], b[1]) if isinstance(a[1], Tensor) else a == b
        for a, b in zip(left, right, strict=True)
    )


def test_forms_and_effects_are_the_same_in_the_same_order() -> None:
    assert [effect.form for effect in EFFECTS.values()] == list(FORMS)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_at_its_defaults_changes_no_bit(name: str, stand: Stand) -> None:
    effect = EFFECTS[name]
    plain = stand.denoise()
    assert torch.equal(stand.denoise((effect, effect.form.args_type())), plain)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_is_felt_and_leaves_the_network_as_it_was(name: str, stand: Stand) -> None:
    effect = EFFECTS[name]
    module = stand.checkpoint.network.module
    before, plain = state(module), stand.denoise()
    felt = stand.denoise((effect, suggested(effect)))
    assert felt.shape == plain.shape
    assert torch.isfinite(felt).all()
    assert not torch.equal(felt, plain)
    assert same(state(module), before)
    assert torch.equal(stand.denoise(), plain)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_error_in_mid_call_leaves_the_network_as_it_was(
    name: str, make_stand: Callable[[str], Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    effect, stand = EFFECTS[name], make_stand("sd")
    module = stand.checkpoint.network.module
    before, plain = state(module), stand.denoise()

    def fail(*_given: Any) -> None:
        raise RuntimeError("the device is on fire")

    handle = module.get_submodule("conv_out").register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="fire"):
        stand.denoise((effect, suggested(effect)))
    handle.remove()
    assert same(state(module), before)
    assert torch.equal(stand.denoise(), plain)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_image_gets_the_same_alone_and_in_a_batch(
    name: str, make_stand: Callable[[str], Stand]
) -> None:
    effect, stand = EFFECTS[name], make_stand("sd")
    together = stand.denoise((effect, suggested(effect)))
    for i in range(2):
        single = Stand(stand.checkpoint, stand.cond, stand.uncond, stand.x[i : i + 1])
        alone = single.denoise((effect, suggested(effect)))
        assert torch.allclose(alone[0], together[i], atol=1e-4)


def test_all_effects_together_are_finite_and_leave_nothing(stand: Stand) -> None:
    module = stand.checkpoint.network.module
    before = state(module)
    felt = stand.denoise(*((effect, suggested(effect)) for effect in EFFECTS.values()))
    assert torch.isfinite(felt).all()
    assert same(state(module), before)
