"""What computes: faces, motion, rendering and video, in numpy and torch. Never imports ComfyUI."""
