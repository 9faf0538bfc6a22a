"""Audits language models and text classifiers from the inside, and writes the evidence down."""

__version__ = "0.1.0"
