"""Command of the incident: declaration, timeline, decisions, stand-down."""
