"""Groups of people: who is in one, how often each is selected, and how often the decision is right."""

from audit.checks._groups.members import CROSS, Group, cells_check, groups, ordered_pairs, overlap_check, unknown

__all__ = ["CROSS", "Group", "cells_check", "groups", "ordered_pairs", "overlap_check", "unknown"]
