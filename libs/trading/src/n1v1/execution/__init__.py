"""Orders: what may happen to one (`orders`), and the stage that turns approvals into orders and reports into events."""
