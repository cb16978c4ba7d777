"""Machines at the door: MLLP, FHIR, background work."""
