"""Linear heads on features, for one label and for several labels per message."""
