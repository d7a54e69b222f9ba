"""The wires to venues."""
