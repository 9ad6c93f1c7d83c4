"""The host's side of a board: the link, what it can ask for, and the commands of `heron board`."""
