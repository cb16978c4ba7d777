"""All writes begin here. One story a file; its steps are numbered in the docstring and the code."""
