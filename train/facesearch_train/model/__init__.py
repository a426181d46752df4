"""The networks and what trains them: tower, heads, losses, augmentation, and the networks that teach."""
