"""Requests, specimens, reports, the test catalogue, critical results."""
