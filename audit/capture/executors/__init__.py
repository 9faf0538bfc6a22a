"""Where passes run: ``local`` on any device that transformers supports."""
