"""Makes the network that turns speech into the motion of a mouth: synthetic speech, a rule-based face, training."""
