"""Where downloads come from and go to, by the settings."""

from webui.app.house import House
from webui.library.download.client import Sites
from webui.library.download.desk import Desk
from webui.settings import Settings


def sites_of(settings: Settings) -> Sites:
    """The sites that the settings name, and where tokens may lie."""
    told = settings.downloads
    return Sites(
        hub=told.hub,
        civitai=told.civitai,
        private_hosts=told.private_hosts,
        data_dir=settings.folders.data_dir.absolute(),
    )


def open_desk(house: House) -> Desk:
    """The place where models are downloaded."""
    return Desk(
        house.catalog,
        lambda: house.settings.get().folders.models_dir,
        lambda: sites_of(house.settings.get()),
    )
