"""Who may do what on the bus and in the stores: one table, and what servers are told of it."""

from n1v1_common.access.table import ACCESS, ADMIN, OPERATOR, Access

__all__ = ["ACCESS", "ADMIN", "OPERATOR", "Access"]
