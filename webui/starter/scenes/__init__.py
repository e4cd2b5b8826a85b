"""Procedural scenes: picture, caption and maps (ids, depth, edges, poses), all from one seed.

Reading order: ``world`` (what there is), ``things``, ``people`` and ``backdrop`` (how it is
painted), ``rendering`` (one seed to one picture), ``poses`` (where people have their joints),
``captions`` (what may be said of it).
"""

from webui.starter.scenes.captions import write_caption
from webui.starter.scenes.poses import find_pose
from webui.starter.scenes.rendering import Rendering, find_edges, render_scene
from webui.starter.scenes.world import Scene, Thing, draw_scene

__all__ = [
    "Rendering",
    "Scene",
    "Thing",
    "draw_scene",
    "find_edges",
    "find_pose",
    "render_scene",
    "write_caption",
]
