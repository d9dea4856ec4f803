"""Placeholder while the parts settle."""

from sofetch.load.kids import KidUse, kids_in_use

__all__ = ["KidUse", "kids_in_use"]
