"""`n1v1 new strategy`: the files of a new package, and the templates they are made from."""
