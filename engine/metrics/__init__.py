"""What is measured about a result."""
