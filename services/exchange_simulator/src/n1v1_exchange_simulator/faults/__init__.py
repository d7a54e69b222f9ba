"""Faults on demand: what goes wrong between a venue and its clients, by script, by seed and by an admin API.

`descriptions` says what a fault is, `active` which of them fires, `log` what fired; `requests`, `connections` and
`market` carry them out. Nothing of the venue depends on this package: it is wrapped around it.
"""
