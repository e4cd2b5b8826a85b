"""Procedural scenes: picture, caption, object-id map and depth, all from one seed.

Reading order: ``world`` (what there is), ``things`` and ``backdrop`` (how it is painted),
``rendering`` (one seed to one picture), ``captions`` (what may be said of it).
"""

from webui.starter.scenes.captions import write_caption
from webui.starter.scenes.rendering import Rendering, render_scene
from webui.starter.scenes.world import Scene, Thing, draw_scene

__all__ = ["Rendering", "Scene", "Thing", "draw_scene", "render_scene", "write_caption"]
