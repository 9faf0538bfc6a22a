"""Directions in the states that are found on some rows and added on others: the parts of ``direction_effect``."""
