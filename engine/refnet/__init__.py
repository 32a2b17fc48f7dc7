"""The reference-net family on Stable Diffusion 1.5: one U-Net looks at the portrait, another makes it move.

Hallo (arXiv 2406.08801) follows speech, Champ (arXiv 2403.14781) a body. Their blocks are the same (``blocks.py``) and so
is nearly every key of their checkpoints; ``config.py`` says what differs.
"""
