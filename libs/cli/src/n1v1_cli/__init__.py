"""The n1v1 command."""
