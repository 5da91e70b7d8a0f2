"""What chat refuses, for the edges to translate."""


class StillAnswering(Exception):
    """The session has a running answer; one at a time."""
