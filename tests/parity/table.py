"""The comparison in numbers, its verdicts, and the table of both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.parity.cases import Case, load_cases
from tests.parity.studio import Answer
from webui.contract.vocabulary import SAMPLERS, SCHEDULES, find

LATENT, MEAN, HIGHEST = 1e-2, 1.0, 6.0
"""At most: error of the latent in its standard deviation; mean and 99.9 % of the levels of 255."""

PROMPT = 2e-3
"""At most: error of the encoded prompts in their standard deviation; they are stored in half."""

RANDOM_MEAN = 2.0
"""The one bound for samplers whose steps hang on the finest digits."""


@dataclass(frozen=True)
class Row:
    """One line of the table; numbers are None where nothing could be compared."""

    case: str
    text: float | None = None
    latent: float | None = None
    mean: float | None = None
    highest: float | None = None
    verdict: str = ""
    seconds: float | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells."""
        return (
            self.case,
            "" if self.text is None else f"{self.text:.1e}",
            "" if self.latent is None else f"{self.latent:.1e}",
            "" if self.mean is None else f"{self.mean:.3f}",
            "" if self.highest is None else f"{self.highest:.1f}",
            self.verdict,
        )


def compare(case: Case, answer: Answer, unlike: Sequence[str]) -> Row:
    """The row of a case; `unlike` names the fields in which the two infotexts differ."""
    wanted, latent = case.pictures(), case.latent()
    if [p.shape for p in answer.pictures] != [p.shape for p in wanted]:
        return Row(case.name, verdict="another size", seconds=answer.seconds)
    gaps = [
        np.abs(ours.astype(np.int16) - theirs)
        for ours, theirs in zip(answer.pictures, wanted, strict=True)
    ]
    gap = np.concatenate([one.ravel() for one in gaps])
    error = float(np.sqrt(np.mean((answer.latent - latent) ** 2)) / latent.std())
    mean, highest = float(gap.mean()), float(np.percentile(gap, 99.9))
    far = mean > RANDOM_MEAN if case.is_random else _is_far(error, mean, highest)
    text = _text_error(case, answer)
    faults = ["another prompt"] if text is not None and text > PROMPT else []
    faults += ["too far"] if far else []
    faults += [f"infotext: {', '.join(unlike)}"] if unlike else []
    verdict = "; ".join(faults) or "same"
    return Row(case.name, text, error, mean, highest, verdict, answer.seconds)


def unpictured() -> list[Row]:
    """A row for each sampler and schedule that no reference picture shows."""
    shown = {case.request["sampler_name"] for case in load_cases()}
    samplers = [word for word in SAMPLERS if not any(_shows(name, word.label) for name in shown)]
    schedules = [
        w for w in SCHEDULES[2:] if not any(name.endswith(f" {w.label}") for name in shown)
    ]
    note = "no picture; checked by its formula and order, and against diffusers where it has it"
    return [Row(f"sampler {word.label}", verdict=note) for word in samplers] + [
        Row(f"schedule {word.label}", verdict="no picture; checked by its formula")
        for word in schedules
    ]


def lines(rows: Iterable[Row]) -> list[str]:
    """The table as Markdown."""
    head = ("case", "prompt / std", "latent / std", "mean / 255", "p99.9 / 255", "verdict")
    rule = ("---", "---:", "---:", "---:", "---:", "---")
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *(row.texts for row in rows))]


def _text_error(case: Case, answer: Answer) -> float | None:
    """How far the encoded prompts are, in their standard deviation; None where none are stored."""
    errors = [
        float(np.sqrt(np.mean((answer.texts[side] - wanted) ** 2)) / wanted.std())
        if answer.texts[side].shape == wanted.shape
        else float("inf")
        for side, wanted in case.texts().items()
    ]
    return max(errors, default=None)


def _is_far(error: float, mean: float, highest: float) -> bool:
    return error > LATENT or mean > MEAN or highest > HIGHEST


def _shows(name: str, label: str) -> bool:
    """Whether a name of the older UI, with its schedule perhaps, is this sampler's."""
    rest = name.removeprefix(label)
    return rest == "" or (rest != name and find(SCHEDULES, rest.strip()) is not None)
