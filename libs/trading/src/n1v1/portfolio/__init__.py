"""The double-entry ledger, and the positions and equity that follow from it."""
