"""What ComfyUI itself imports with whichever pack comes first shall not count as that pack's import time."""

import comfy_config.config_parser  # noqa: F401
