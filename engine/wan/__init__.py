"""Wan image-to-video portraits: what encodes a drive, and the extra attention that lets a face follow it."""
