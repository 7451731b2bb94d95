"""The fine-tuned encoder: settings, training and the backend itself."""
