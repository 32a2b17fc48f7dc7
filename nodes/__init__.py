"""What ComfyUI shows: thin V3 nodes, one file per wing."""
