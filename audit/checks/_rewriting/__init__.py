"""Texts written again: an attribute swapped, a field exchanged, a string inserted, a word disturbed.

What is changed has to reach the model's tokens (``reaching``), and may be where an effect is planted (``planting``).
"""
