"""Which versions of jobtool and the libraries train a model: others may train another one."""

import platform
from importlib.metadata import PackageNotFoundError, version

from tagger.storage import jobtool_version

_LIBRARIES = ("keras", "numpy", "scikit-learn", "scipy")
_TENSORFLOW = ("tensorflow-cpu", "tensorflow")  # the same module from one package or the other


def versions() -> dict[str, str]:
    """Name -> version of Python, jobtool and what it trains with."""
    return {
        "python": platform.python_version(),
        "jobtool": jobtool_version(),
        **{name: version(name) for name in _LIBRARIES},
        "tensorflow": _tensorflow_version(),
    }


def _tensorflow_version() -> str:
    for name in _TENSORFLOW:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"
