"""Speech: what is heard, in the form the renderers read."""
