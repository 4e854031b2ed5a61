"""One server of many nodes: what they tell each other over Redis, and how they follow it."""
