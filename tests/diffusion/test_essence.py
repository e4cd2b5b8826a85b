"""What infotext holds for essential is what the built-in samplers read."""

from webui.contract.infotext import essence
from webui.diffusion.samplers import builtin_samplers

SAMPLERS = {sampler.name: sampler for sampler in builtin_samplers()}


def readers(option: str) -> set[str]:
    return {name for name, sampler in SAMPLERS.items() if option in sampler.reads}


def test_every_sampler_has_its_habits_in_the_tables() -> None:
    assert set(essence.OWN_ETA) == set(SAMPLERS)


def test_the_tables_name_the_samplers_that_read_each_option() -> None:
    assert {name for name in SAMPLERS if essence.takes_eta(name)} == readers("eta")
    assert readers("s_churn") == essence.CHURNING
    assert readers("s_noise") == essence.SCALING
    assert {name for name, sampler in SAMPLERS.items() if sampler.brownian} == essence.BROWNIAN


def test_still_samplers_are_none_that_heed_the_seed_delta() -> None:
    assert not any(SAMPLERS[name].uses_ensd or SAMPLERS[name].brownian for name in essence.STILL)
