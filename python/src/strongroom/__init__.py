"""A secrets library to embed: encryption, keyrings, versions, confirmation and tamper-evident audit."""

from strongroom._native import version

__all__ = ["__version__"]

__version__ = version()
