"""Plan under capacity: who is served when, with a proven bound and a reason for every patient."""
