"""FHIR R4 at /fhir/: the rows of the region, read from outside. It writes nothing."""
