"""The plugin that registers the built-in scripts."""

from typing import Any

from webui.plugins import Script, hookimpl
from webui.scripts.loopback import Loopback


class BuiltinScripts:
    """What comes with the product, through the same door as everything else."""

    @hookimpl
    def register_scripts(self) -> list[Script[Any]]:
        """Return every built-in script."""
        return [Loopback()]
