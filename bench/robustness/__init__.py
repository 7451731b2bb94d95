"""Ask saved classifiers perturbed, attacked and challenge messages."""
