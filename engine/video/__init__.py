"""Reading and writing moving pictures."""
