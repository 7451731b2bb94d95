"""The public format of results, and the only way in and out of results/."""
