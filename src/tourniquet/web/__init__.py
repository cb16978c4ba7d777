"""People over HTTP: the staff console and the sign-in."""
