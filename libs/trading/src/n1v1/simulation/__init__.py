"""A venue made of recorded bars. Pure: it is told the bars and the orders, and answers with reports."""
