"""The only writer of this package's tables."""
