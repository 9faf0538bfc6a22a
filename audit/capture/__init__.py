"""The model, asked once: loading, batching, passes, storage and the scheduler that merges requests.

Only this stage and ``organisms`` know torch, transformers and captum.
"""
