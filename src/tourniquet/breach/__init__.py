"""Whose data is in these files: a review of stolen files against the regional patient index."""
