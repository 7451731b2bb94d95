"""Take a language model's bias towards some labels out of its label probabilities.

Both methods divide by a prior over the labels and normalise again; they differ in where the prior
comes from. Contextual calibration (Zhao et al. 2021, "Calibrate Before Use", arXiv 2102.09690) asks
about content-free messages; batch calibration (Zhou et al. 2023, arXiv 2309.17249) takes the mean
over unlabelled messages, here of the training part, never of the test part.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Calibration = Literal["none", "contextual", "batch"]
CONTENT_FREE = ("N/A", "", "[MASK]")


def label_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn log-probabilities of the labels, the last axis, into shares that add up to 1."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def calibrate(scores: NDArray[np.float64], prior: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return probabilities with the prior taken out; without one, plain probabilities.

    Args:
        scores: log-probabilities, shape (messages, ..., labels).
        prior: mean probabilities under no evidence, shape (..., labels), all positive.
    """
    return label_probabilities(scores if prior is None else scores - np.log(prior))


def prior_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean label probabilities over content-free or unlabelled messages, the first axis."""
    mean = label_probabilities(scores).mean(axis=0)
    return np.asarray(np.maximum(mean, 1e-9))  # a label never given would otherwise divide by 0


def may_be_likeliest(scores: NDArray[np.float64], n_more: int) -> NDArray[np.bool_]:
    """Tell which labels batch calibration may yet give the messages, once some more are counted in its prior.

    The sum of a label's probabilities grows by something between 0 and `n_more`. So a label is out of the question
    where another one, at its largest prior, still beats it at its smallest. With `n_more` = 0 the likeliest is left.

    Args:
        scores: log-probabilities, shape (messages, labels).
        n_more: messages still to be counted in.
    """
    probabilities = label_probabilities(scores)
    least = np.maximum(probabilities.sum(axis=0), 1e-9 * (len(scores) + n_more))  # as `prior_of` has it
    lowest, highest = probabilities / (least + n_more), probabilities / least
    return np.asarray(highest >= lowest.max(axis=1, keepdims=True))
