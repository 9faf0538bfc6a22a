"""Parts of a model that carry the effect of a swap, ranked and confirmed: the parts of ``localise``."""
