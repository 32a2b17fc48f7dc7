"""What makes the networks of this pack; nothing here is needed to use them."""
