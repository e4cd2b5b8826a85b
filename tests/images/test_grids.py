import pytest
from PIL import Image

from webui.errors import InvalidRequest
from webui.images.grids import grid_shape, image_grid


@pytest.mark.parametrize(
    ("count", "options", "expected"),
    [
        (1, {}, (1, 1)),
        (4, {}, (2, 2)),
        (5, {}, (2, 3)),
        (7, {}, (3, 3)),
        (12, {}, (3, 4)),
        (6, {"rows": 1}, (1, 6)),
        (6, {"batch_size": 3}, (3, 2)),
        (3, {"rows": 9}, (3, 1)),
        (10, {"fill": True}, (2, 5)),
        (7, {"fill": True}, (1, 7)),
    ],
)
def test_rows_follow_the_older_rule(
    count: int, options: dict[str, int], expected: tuple[int, int]
) -> None:
    assert grid_shape(count, **options) == expected


def test_pictures_stand_row_by_row_on_black() -> None:
    colours = ["red", "lime", "blue"]
    sheet = image_grid([Image.new("RGB", (4, 2), colour) for colour in colours])
    assert sheet.size == (8, 4)
    assert [sheet.getpixel(at) for at in ((0, 0), (4, 0), (0, 2), (4, 2))] == [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
    ]  # fmt: skip


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        image_grid([])
