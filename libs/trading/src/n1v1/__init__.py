"""The trading core of n1v1.

Everything here is a pure function of what it is given: no input or output, no clock, no randomness, no logging.
Start with `pipeline.py` (who hears what), then `events.py`, then one stage's folder.
"""
