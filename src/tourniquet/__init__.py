"""Tourniquet keeps a region's pathology service working through a cyber attack."""

__version__ = "0.1.0"
