"""The first family of shapes: a laboratory's working drive as its people left it."""
