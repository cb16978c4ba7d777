"""The regional patient index: identity, matching, merges."""
