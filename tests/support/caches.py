"""Empties caches, so that what a first call costs can be measured."""

from functools import _lru_cache_wrapper
from types import ModuleType


def clear_caches(*modules: ModuleType) -> None:
    """Empty every `lru_cache` that the modules define."""
    for module in modules:
        for member in vars(module).values():
            if isinstance(member, _lru_cache_wrapper):
                member.cache_clear()
