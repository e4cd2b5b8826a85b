"""Everything built in that has a name: ids for requests, labels for people, aliases from before.

The server offers and checks names by this table without loading a worker; the worker's
implementations are tested against it.
"""

import difflib
from collections.abc import Iterable, Mapping

from webui.contract.events import Word
from webui.errors import NotFound

SAMPLERS = (
    Word(id="dpmpp_2m", label="DPM++ 2M", aliases=("k_dpmpp_2m", "k_dpmpp_2m_ka")),
    Word(id="dpmpp_sde", label="DPM++ SDE", aliases=("k_dpmpp_sde", "k_dpmpp_sde_ka")),
    Word(id="dpmpp_2m_sde", label="DPM++ 2M SDE", aliases=("k_dpmpp_2m_sde", "k_dpmpp_2m_sde_exp")),
    Word(
        id="dpmpp_2m_sde_heun",
        label="DPM++ 2M SDE Heun",
        aliases=("k_dpmpp_2m_sde_heun", "k_dpmpp_2m_sde_heun_exp"),
    ),
    Word(id="dpmpp_2s_a", label="DPM++ 2S a", aliases=("k_dpmpp_2s_a", "k_dpmpp_2s_a_ka")),
    Word(id="dpmpp_3m_sde", label="DPM++ 3M SDE", aliases=("k_dpmpp_3m_sde", "k_dpmpp_3m_sde_exp")),
    Word(id="euler_a", label="Euler a", aliases=("k_euler_a", "k_euler_ancestral")),
    Word(id="euler", label="Euler", aliases=("k_euler",)),
    Word(id="lms", label="LMS", aliases=("k_lms",)),
    Word(id="heun", label="Heun", aliases=("k_heun",)),
    Word(id="dpm2", label="DPM2", aliases=("k_dpm_2", "k_dpm_2_ka")),
    Word(id="dpm2_a", label="DPM2 a", aliases=("k_dpm_2_a", "k_dpm_2_a_ka")),
    Word(id="dpm_fast", label="DPM fast", aliases=("k_dpm_fast",)),
    Word(id="dpm_adaptive", label="DPM adaptive", aliases=("k_dpm_ad",)),
    Word(id="restart", label="Restart"),
    Word(id="ddim", label="DDIM"),
    Word(id="ddim_cfgpp", label="DDIM CFG++"),
    Word(id="plms", label="PLMS"),
    Word(id="unipc", label="UniPC"),
    Word(id="lcm", label="LCM", aliases=("k_lcm",)),
)
SECOND_ORDER = frozenset({"dpmpp_sde", "dpmpp_2s_a", "heun", "dpm2", "dpm2_a", "restart"})
"""Samplers that call the network twice a step; schedules of prompts count their calls."""

SCHEDULES = (
    Word(id="automatic", label="Automatic"),
    Word(id="uniform", label="Uniform"),
    Word(id="karras", label="Karras"),
    Word(id="exponential", label="Exponential"),
    Word(id="polyexponential", label="Polyexponential"),
    Word(id="sgm_uniform", label="SGM Uniform", aliases=("SGMUniform",)),
    Word(id="kl_optimal", label="KL Optimal"),
    Word(id="align_your_steps", label="Align Your Steps"),
    Word(id="simple", label="Simple"),
    Word(id="normal", label="Normal"),
    Word(id="ddim", label="DDIM"),
    Word(id="beta", label="Beta"),
    Word(id="turbo", label="Turbo"),
)
RESIZE_MODES = (
    Word(id="just_resize", label="Just resize"),
    Word(id="crop_and_resize", label="Crop and resize"),
    Word(id="resize_and_fill", label="Resize and fill"),
    Word(id="latent_upscale", label="Just resize (latent upscale)"),
)
HIRES_UPSCALERS = (
    Word(id="latent", label="Latent"),
    Word(id="latent_antialiased", label="Latent (antialiased)"),
    Word(id="latent_bicubic", label="Latent (bicubic)"),
    Word(id="latent_bicubic_antialiased", label="Latent (bicubic antialiased)"),
    Word(id="latent_nearest", label="Latent (nearest)"),
    Word(id="latent_nearest_exact", label="Latent (nearest-exact)"),
    Word(id="lanczos", label="Lanczos", aliases=("None",)),
    Word(id="nearest", label="Nearest"),
)
NOISE_SOURCES = (
    Word(id="cpu", label="CPU"),
    Word(id="gpu", label="GPU"),
    Word(id="nv", label="NV"),
)
MASK_MODES = (
    Word(id="inpaint_masked", label="Inpaint masked"),
    Word(id="inpaint_not_masked", label="Inpaint not masked"),
)
MASKED_CONTENTS = (
    Word(id="fill", label="fill"),
    Word(id="original", label="original"),
    Word(id="latent_noise", label="latent noise"),
    Word(id="latent_nothing", label="latent nothing"),
)
INPAINT_AREAS = (
    Word(id="whole_picture", label="Whole picture"),
    Word(id="only_masked", label="Only masked"),
)
EMPHASES = (
    Word(id="original", label="Original"),
    Word(id="no_norm", label="No norm"),
    Word(id="ignore", label="Ignore"),
    Word(id="none", label="None"),
)
UNIPC_VARIANTS = (
    Word(id="bh1", label="bh1"),
    Word(id="bh2", label="bh2"),
    Word(id="vary_coeff", label="vary_coeff"),
)
UNIPC_SKIPS = (
    Word(id="time_uniform", label="time_uniform"),
    Word(id="time_quadratic", label="time_quadratic"),
    Word(id="logsnr", label="logSNR"),
)
REFINER_PASSES = (
    Word(id="first_pass", label="first pass"),
    Word(id="second_pass", label="second pass"),
    Word(id="both_passes", label="both passes"),
)

NO_VAE = "none"
VAES = (Word(id=NO_VAE, label="None"),)


def builtin() -> dict[str, tuple[Word, ...]]:
    """Every built-in vocabulary by its name, as `Param.choices` uses it."""
    return {
        "samplers": SAMPLERS,
        "schedules": SCHEDULES,
        "resize_modes": RESIZE_MODES,
        "hires_upscalers": HIRES_UPSCALERS,
        "noise_sources": NOISE_SOURCES,
        "mask_modes": MASK_MODES,
        "masked_contents": MASKED_CONTENTS,
        "inpaint_areas": INPAINT_AREAS,
        "emphases": EMPHASES,
        "unipc_variants": UNIPC_VARIANTS,
        "unipc_skips": UNIPC_SKIPS,
        "refiner_passes": REFINER_PASSES,
        "vaes": VAES,
    }


def merged(
    base: Mapping[str, tuple[Word, ...]], more: Mapping[str, tuple[Word, ...]]
) -> dict[str, tuple[Word, ...]]:
    """`base` with the words of `more` appended where their ids are new."""
    result = dict(base)
    for name, words in more.items():
        have = {word.id for word in result.get(name, ())}
        result[name] = result.get(name, ()) + tuple(w for w in words if w.id not in have)
    return result


def find(words: Iterable[Word], name: str) -> Word | None:
    """The word whose id, label or alias is `name`, ignoring case."""
    wanted = name.casefold()
    pool = tuple(words)
    for word in pool:
        if wanted in (word.id.casefold(), word.label.casefold()):
            return word
    for word in pool:
        if any(wanted == alias.casefold() for alias in word.aliases):
            return word
    return None


def resolve(kind: str, words: Iterable[Word], name: str, field: str = "") -> Word:
    """The word called `name`; raises NotFound with the nearest labels."""
    pool = tuple(words)
    word = find(pool, name)
    if word is None:
        raise NotFound(kind, name, _nearest_words(pool, name), field)
    return word


def _nearest_words(words: Iterable[Word], name: str) -> list[str]:
    """The labels of the words whose id or label looks most like `name`."""
    by_spelling = {spelling: word.label for word in words for spelling in (word.id, word.label)}
    close = nearest(by_spelling, name)
    return list(dict.fromkeys(by_spelling[spelling] for spelling in close))


def nearest(labels: Iterable[str], name: str) -> list[str]:
    """Up to three labels that look most like `name`."""
    by_fold = {label.casefold(): label for label in labels}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.4)
    return [by_fold[c] for c in close]
