"""Settings of couler: from flags, the environment, project and user files, and defaults, in this order."""

from couler.config.edit import set_setting
from couler.config.load import load_settings, user_file
from couler.config.mask import mask_url
from couler.config.settings import Settings, Source

__all__ = ["Settings", "Source", "load_settings", "mask_url", "set_setting", "user_file"]
