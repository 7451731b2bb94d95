"""Where messages come from, and how they are split into parts."""
