"""How the engine plugs into ComfyUI: progress, interrupt, folders."""
