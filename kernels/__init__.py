"""The few hot loops, each beside a plain twin of the same signature that tests compare it with."""
