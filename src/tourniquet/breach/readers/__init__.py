"""Readers: each gives the pieces of contents of one family (`registry` says which reads what)."""
