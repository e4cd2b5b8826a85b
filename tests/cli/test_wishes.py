import argparse
import io
from pathlib import Path

import pytest
from PIL import Image

from webui.cli.wishes import add_field_flags, fitting_size, flag_of, make_request
from webui.contract.fields import leaves
from webui.contract.request import Blob, GenerationRequest, ResizeMode
from webui.errors import InvalidRequest


class Surroundings:
    """Keeps what was put in, and knows one size."""

    def __init__(self, size: tuple[int, int] | None = (256, 256)) -> None:
        self.size = size
        self.kept: list[bytes] = []

    @property
    def blobs(self) -> "Surroundings":
        return self

    def put(self, data: bytes, field: str) -> Blob:
        assert field == "source.image"
        self.kept.append(data)
        return Blob(sha256="0" * 64)

    def native_size(self, checkpoint: str) -> tuple[int, int] | None:
        return self.size


def parse(*argv: str, with_source: bool = False) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    add_field_flags(parser, with_source)
    return parser.parse_args(argv)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (300, 200), "teal").save(path)
    return path


def test_every_field_has_a_flag_of_its_own() -> None:
    flags = [flag_of(path) for path in leaves(GenerationRequest)]
    assert len(set(flags)) == len(flags)


def test_without_flags_it_is_the_default_request_at_the_models_size() -> None:
    made = make_request(parse(), Surroundings())
    default = GenerationRequest()
    assert (made.canvas.width, made.canvas.height) == (256, 256)
    assert made.model_copy(update={"canvas": default.canvas}) == default


def test_a_model_of_unknown_size_gets_the_usual_one() -> None:
    assert make_request(parse(), Surroundings(None)) == GenerationRequest()


def test_flags_fill_their_fields() -> None:
    argv = ["--prompt", "a house", "--negative-prompt", "fog", "--steps", "7", "--seed", "3",
            "--cfg-scale", "5.5", "--tiling", "--styles", "a", "--styles", "b", "--width", "320",
            "--noise-source", "nv"]  # fmt: skip
    made = make_request(parse(*argv), Surroundings())
    assert (made.prompt.positive, made.prompt.negative) == ("a house", "fog")
    assert made.prompt.styles == ("a", "b")
    assert (made.sampling.steps, made.sampling.cfg_scale) == (7, 5.5)
    assert (made.noise.seed, made.noise.source) == (3, "nv")
    assert made.canvas.tiling
    assert (made.canvas.width, made.canvas.height) == (320, 512)


def test_a_second_pass_comes_by_its_switch_or_by_any_of_its_flags() -> None:
    assert make_request(parse(), Surroundings()).hires is None
    assert make_request(parse("--hires"), Surroundings()).hires is not None
    by_flag = make_request(parse("--hires-scale", "1.5"), Surroundings()).hires
    assert by_flag is not None
    assert by_flag.scale == 1.5


def test_a_picture_to_start_from_is_kept_and_its_shape_followed(photo: Path) -> None:
    argv = ["--init", str(photo), "--denoising-strength", "0.5", "--resize-mode", "crop_and_resize"]
    around = Surroundings()
    made = make_request(parse(*argv, with_source=True), around)
    assert around.kept == [photo.read_bytes()]
    assert made.source is not None
    assert made.source.denoising_strength == 0.5
    assert made.source.resize_mode is ResizeMode.CROP_AND_RESIZE
    assert (made.canvas.width, made.canvas.height) == (312, 208)


def test_a_given_size_is_taken_as_it_is(photo: Path) -> None:
    argv = ["--init", str(photo), "--width", "512", "--height", "512"]
    made = make_request(parse(*argv, with_source=True), Surroundings())
    assert (made.canvas.width, made.canvas.height) == (512, 512)


@pytest.mark.parametrize(
    ("argv", "field"),
    [
        (["--steps", "0"], "sampling.steps"),
        (["--width", "1000000"], "canvas.width"),
        (["--cfg-scale", "nan"], "sampling.cfg_scale"),
        (["--noise-source", "moon"], "noise.source"),
    ],
)
def test_a_wrong_value_is_refused_by_its_flag(argv: list[str], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make_request(parse(*argv), Surroundings())
    assert caught.value.field == field
    assert caught.value.sentence.startswith(argv[0])


def test_a_missing_picture_is_a_sentence(tmp_path: Path) -> None:
    parsed = parse("--init", str(tmp_path / "none.png"), with_source=True)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        make_request(parsed, Surroundings())


def test_what_is_no_picture_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(InvalidRequest):
        make_request(parse("--init", str(path), with_source=True), Surroundings())


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (300, 200), (8, 8), (4000, 3000)])
def test_a_fitting_size_is_always_allowed(size: tuple[int, int]) -> None:
    for side in fitting_size(size, 512 * 512):
        assert 64 <= side <= 2048
        assert side % 8 == 0


def test_the_picture_for_the_shape_is_read_with_its_orientation(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = io.BytesIO()
    Image.new("RGB", (300, 200)).save(data, "jpeg", exif=turned)
    path = tmp_path / "turned.jpg"
    path.write_bytes(data.getvalue())
    made = make_request(parse("--init", str(path), with_source=True), Surroundings())
    assert (made.canvas.width, made.canvas.height) == (208, 312)
