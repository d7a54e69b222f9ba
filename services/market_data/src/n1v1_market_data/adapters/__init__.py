"""The wires to sources of bars."""
