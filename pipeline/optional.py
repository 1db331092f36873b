"""Libraries that not everybody needs."""

import importlib

from pipeline.errors import ConfigError


def need(module: str, extra: str, what: str) -> None:
    """Import a library of an extra.

    Raises:
        ConfigError: it is missing, and what to type.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise ConfigError(f"{what} needs {missing}: pip install 'detstream[{extra}]'") from error
