"""Pictures from motion without diffusion."""
