"""What a model holds to be true, and what it says under conditions: the parts of ``belief_report``."""
