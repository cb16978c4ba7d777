"""Needs, clinics, sessions, appointments, and the gate before a specimen is taken."""
