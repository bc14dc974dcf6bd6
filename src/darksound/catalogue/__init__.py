"""Call types that stay the same over runs: what they are, and to which a new ROI belongs."""
