"""The older UI's flags for memory and attention."""

import pytest

from webui.settings import load_settings


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--medvram"], {"placement": "model"}),
        (["--lowvram", "--xformers"], {"placement": "group", "attention": "xformers"}),
        (["--no-half"], {"dtype": "float32"}),
        (["--precision", "full", "--no-half-vae"], {"dtype": "float32", "vae_dtype": "float32"}),
        (["--opt-sdp-attention"], {"attention": "sdpa"}),
        (["--opt-sub-quad-attention"], {"attention": "sliced"}),
        (["--device-id", "1"], {"device": "cuda:1"}),
        (["--upcast-sampling", "--lowram"], {}),
    ],
)
def test_older_flags_stand_for_settings(
    flags: list[str], told: dict[str, str], tmp_path: object
) -> None:
    here = ["--data-dir", str(tmp_path)]
    plain, engine = load_settings(here, {}).engine, load_settings([*here, *flags], {}).engine
    assert engine == plain.model_copy(update=told)


def test_a_precision_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load_settings(["--precision", "double"], {})
    assert "--precision" in capsys.readouterr().err
