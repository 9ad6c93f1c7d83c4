"""The one exception that a user sees as a line of text."""


class HeronError(Exception):
    """What is wrong and where, in one line; the command line prints it and exits with code 2."""
