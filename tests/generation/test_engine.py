"""The engine: from items to artifacts, on a tiny random checkpoint."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.generation.conftest import ROOT, TINY, Studio, make_studio, pictures, pixels
from webui.contract import infotext
from webui.contract.events import Failure, Finished, Preview, Progress
from webui.contract.items import Item
from webui.contract.request import Blob
from webui.contract.vocabulary import builtin, find, merged
from webui.contract.worker import run_to_end
from webui.errors import NotFound
from webui.images.decode import decode_image
from webui.images.geometry import resize
from webui.images.metadata import read_infotext


def test_the_built_in_vocabulary_is_what_the_worker_can_do(studio: Studio) -> None:
    offered = studio.engine.vocabulary().words
    for name in ("samplers", "schedules"):
        ours = {w.id: (w.label, set(w.aliases)) for w in builtin()[name]}
        theirs = {w.id: (w.label, set(w.aliases)) for w in offered[name]}
        assert ours == theirs


@pytest.mark.parametrize("sampler", [w.id for w in builtin()["samplers"]])
def test_every_sampler_paints_from_noise_and_from_a_picture(
    studio: Studio, sampler: str, source: Blob, source_png: bytes
) -> None:
    fresh = studio.picture({"sampling.sampler": sampler})
    over = studio.picture(
        {"sampling.sampler": sampler, "source.image": source, "source.denoising_strength": 0.5},
        {source: source_png},
    )
    assert fresh.shape == over.shape == (64, 64, 3)
    assert fresh.std() > 0
    assert not np.array_equal(fresh, over)


@pytest.mark.parametrize("schedule", [w.id for w in builtin()["schedules"]])
def test_every_schedule_runs(studio: Studio, schedule: str) -> None:
    picture = studio.picture({"sampling.sampler": "euler", "sampling.schedule": schedule})
    assert picture.std() > 0


def test_the_same_request_gives_the_same_picture(studio: Studio) -> None:
    assert np.array_equal(studio.picture(), studio.picture())
    assert not np.array_equal(studio.picture(), studio.picture({"noise.seed": 8}))


def test_prompt_weights_and_clip_skip_change_the_picture(studio: Studio) -> None:
    base = studio.picture()
    assert not np.array_equal(base, studio.picture({"prompt.positive": "a (red:0.7) house"}))
    assert not np.array_equal(base, studio.picture({"model.clip_skip": 2}))


def test_each_item_ends_once_and_its_bar_only_grows(studio: Studio) -> None:
    events = studio.run(studio.request())
    fractions = [e.fraction for e in events if isinstance(e, Progress)]
    assert fractions == sorted(fractions)
    assert max(e.step for e in events if isinstance(e, Progress)) == 4
    assert [e.how for e in events if isinstance(e, Finished)] == ["done"]
    assert any(isinstance(e, Preview) for e in events)


def test_the_picture_file_tells_how_it_was_made(studio: Studio) -> None:
    request = studio.request({"sampling.sampler": "euler_a", "canvas.tiling": True})
    artifact = pictures(studio.run(request))[0]
    text = read_infotext(artifact.data)
    assert text == artifact.infotext
    words = merged(builtin(), studio.engine.vocabulary().words)
    restored = infotext.read(text, words).request
    assert np.array_equal(
        studio.picture({"sampling.sampler": "euler_a", "canvas.tiling": True}),
        pixels(pictures(studio.run(restored))[0]),
    )


@pytest.mark.parametrize("mode", ["just_resize", "crop_and_resize", "resize_and_fill"])
def test_strength_zero_is_the_resized_source(
    studio: Studio, mode: str, source: Blob, source_png: bytes
) -> None:
    picture = studio.picture(
        {
            "source.image": source,
            "source.denoising_strength": 0.0,
            "source.resize_mode": mode,
        },
        {source: source_png},
    )
    image = decode_image(source_png, "source")
    expected = resize(
        image,
        64,
        64,
        studio.request({"source.image": source, "source.resize_mode": mode}).source.resize_mode,
    )
    assert np.array_equal(picture, np.asarray(expected))


def test_the_older_rule_runs_one_step_at_strength_zero(
    studio: Studio, source: Blob, source_png: bytes
) -> None:
    values = {"source.image": source, "source.denoising_strength": 0.0}
    ours = studio.picture(values, {source: source_png})
    older = studio.picture({**values, "source.zero_strength_step": True}, {source: source_png})
    assert not np.array_equal(ours, older)


@pytest.mark.parametrize("mode", [w.id for w in builtin()["resize_modes"]])
def test_all_four_resize_modes_paint(
    studio: Studio, mode: str, source: Blob, source_png: bytes
) -> None:
    picture = studio.picture(
        {"source.image": source, "source.resize_mode": mode, "canvas.width": 72},
        {source: source_png},
    )
    assert picture.shape == (64, 72, 3)


def test_a_source_with_transparency_is_laid_on_white(studio: Studio, source: Blob) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(buffer, "PNG")
    picture = studio.picture(
        {"source.image": source, "source.denoising_strength": 0.0}, {source: buffer.getvalue()}
    )
    assert (picture == 255).all()


@pytest.mark.parametrize("upscaler", [w.id for w in builtin()["hires_upscalers"]])
def test_every_hires_upscaler_enlarges(studio: Studio, upscaler: str) -> None:
    picture = studio.picture({"hires.upscaler": upscaler, "hires.scale": 1.5, "hires.steps": 2})
    assert picture.shape == (96, 96, 3)


def test_a_hires_size_of_another_shape_is_cropped_in_the_middle(studio: Studio) -> None:
    picture = studio.picture({"hires.width": 128, "hires.height": 96, "hires.steps": 1})
    assert picture.shape == (96, 128, 3)


def test_a_tiling_picture_meets_itself_at_its_edges(studio: Studio) -> None:
    plain, tiled = studio.picture(), studio.picture({"canvas.tiling": True})

    def seam(picture: np.ndarray) -> float:
        across = np.abs(picture[:, 0].astype(int) - picture[:, -1].astype(int)).mean()
        inside = np.abs(np.diff(picture.astype(int), axis=1)).mean()
        return across / inside

    assert seam(tiled) < seam(plain)
    assert np.array_equal(studio.picture(), plain)  # the patch left no trace


def test_large_pictures_go_through_the_vae_in_tiles(studio: Studio, tmp_path) -> None:
    models = studio.engine._config.models_dir
    tiling = make_studio(models, tmp_path, TINY, vae_tile_pixels=64 * 64)
    values = {"canvas.width": 192, "canvas.height": 128, "sampling.steps": 1}
    events = tiling.run(tiling.request(values))
    whole = studio.picture(values)
    tiled = pictures(events)[0]
    assert tiled.execution.vae_tiles == 64 * 64
    assert "VAE tiles" in tiled.infotext
    assert pixels(tiled).shape == whole.shape


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_stop_keeps_the_estimate_within_one_step(studio: Studio, after: int) -> None:
    calls = []

    def check() -> str | None:
        calls.append(1)
        return "stop" if len(calls) > after else None

    events = studio.run(studio.request({"sampling.steps": 50}), check=check)
    asked = [e for e in events if isinstance(e, Progress) and e.stage == "sampling"]
    assert len(asked) <= after + 2
    assert [e.how for e in events if isinstance(e, Finished)] == ["stopped"]
    assert len(pictures(events)) == 1


def test_a_cancel_discards(studio: Studio) -> None:
    calls = []

    def check() -> str | None:
        calls.append(1)
        return "cancel" if len(calls) > 4 else None

    events = studio.run(studio.request({"sampling.steps": 50}), check=check)
    assert [e.how for e in events if isinstance(e, Finished)] == ["cancelled"]
    assert pictures(events) == []


def test_an_unknown_checkpoint_is_named(studio: Studio) -> None:
    with pytest.raises(NotFound) as caught:
        studio.run(studio.request({"model.checkpoint": "tinny"}))
    assert caught.value.nearest == ("tiny",)


def test_a_failure_names_its_item(studio: Studio) -> None:
    events = []
    item = Item(index=5, request=studio.request({"model.checkpoint": "nothing"}))
    run_to_end(studio.engine, [item], {}, events.append, lambda: None)
    failure = events[-1]
    assert isinstance(failure, Failure)
    assert (failure.item, failure.error, failure.field) == (5, "NotFound", "model.checkpoint")


def test_the_example_extension_paints_and_is_written_to_the_infotext(tiny_folder, tmp_path) -> None:
    studio = make_studio(tiny_folder.parent, tmp_path, TINY, extensions_dir=ROOT / "extensions")
    word = find(studio.engine.vocabulary().words["samplers"], "Midpoint (example)")
    assert word is not None
    values = {"sampling.sampler": word.id, "model.checkpoint": "tiny"}
    artifact = pictures(studio.run(studio.request(values)))[0]
    assert "Sampler: Midpoint (example)" in artifact.infotext


def test_a_safe_start_loads_no_extension(tiny_folder, tmp_path) -> None:
    studio = make_studio(
        tiny_folder.parent, tmp_path, {}, extensions_dir=ROOT / "extensions", safe=True
    )
    assert [p.name for p in studio.engine.vocabulary().plugins] == ["builtin", "effects"]
