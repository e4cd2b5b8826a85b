"""The contact sheet: strips of pictures under their labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from webui.starter.evaluate.report import Strip

THUMB, GAP, LABEL = 128, 4, 20
COLUMNS = 8


def write_sheet(path: Path, strips: list[Strip]) -> None:
    """Write strips to one JPEG, each under its label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = np.concatenate([lay_strip(strip) for strip in strips])
    done, data = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    path.write_bytes(data.tobytes())


def lay_strip(strip: Strip) -> np.ndarray:
    """Lay one strip [h, w, rgb]: the label, then up to eight small pictures a line."""
    width = COLUMNS * (THUMB + GAP) + GAP
    label = np.full((LABEL, width, 3), 255, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(label, strip.label, (GAP, LABEL - 6), font, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    lines = [label]
    for start in range(0, len(strip.pictures), COLUMNS):
        line = np.full((THUMB + GAP, width, 3), 255, np.uint8)
        for place, picture in enumerate(strip.pictures[start : start + COLUMNS]):
            small = cv2.resize(picture, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
            left = GAP + place * (THUMB + GAP)
            line[:THUMB, left : left + THUMB] = small
        lines.append(line)
    return np.concatenate(lines)
