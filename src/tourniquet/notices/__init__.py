"""Telling people: notices to patients, the outbox, the public status page."""
