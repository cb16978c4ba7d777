"""The journal and what stands on it. Knows no medicine."""
