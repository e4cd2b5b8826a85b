"""The composition root: the only place where rooms are wired to each other."""

from webui.app.house import House, build_house, make_local_jobs, open_reader
from webui.app.web import build_app, serve

__all__ = ["House", "build_app", "build_house", "make_local_jobs", "open_reader", "serve"]
