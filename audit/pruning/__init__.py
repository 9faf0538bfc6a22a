"""Cutting a behaviour out of a copy of a model, and measuring what that did, there and elsewhere."""
