"""What a classifier costs: to label for, to train, and to answer with, at given prices."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.resources import Resources
from bench.config.tables import CostConfig

MACHINES_GB = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)
HEADROOM = 1.25
"""Memory a machine needs over a process's peak: the system, and messages longer than those measured."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A classifier's costs in the config's currency; `hours_per_million` is machine time for a million messages.

    Energies are in kilowatt-hours and the carbon dioxide of a million messages in kilograms; None where not known.
    """

    labelling: float
    training: float
    per_million: float
    hours_per_million: float
    training_kwh: float | None = None
    kwh_per_million: float | None = None
    kg_co2_per_million: float | None = None

    @property
    def fixed(self) -> float:
        """Return what is spent before the first message."""
        return self.labelling + self.training

    def total(self, messages: float) -> float:
        """Return the cost of everything up to that many messages."""
        return self.fixed + self.per_million * messages / 1e6


def cost_of(taken: Resources, prices: CostConfig) -> Cost | None:
    """Return a classifier's cost; None where its throughput, or an energy that has a price, is not known."""
    training_kwh, answer_kwh = energy_of(taken, prices)
    if not taken.throughput_per_s or (prices.per_kwh and (training_kwh is None or answer_kwh is None)):
        return None
    hours = 1e6 / taken.throughput_per_s / 3600
    training_hours = ((taken.load_seconds or 0.0) + (taken.fit_seconds or 0.0)) / 3600
    kwh = None if answer_kwh is None else 1e6 * answer_kwh
    return Cost(
        labelling=(taken.n_labelled or 0) * prices.per_label,
        training=training_hours * prices.machine_per_hour + (training_kwh or 0.0) * prices.per_kwh,
        per_million=hours * prices.machine_per_hour + (kwh or 0.0) * prices.per_kwh,
        hours_per_million=hours,
        training_kwh=training_kwh,
        kwh_per_million=kwh,
        kg_co2_per_million=kwh * prices.grams_co2_per_kwh / 1000 if kwh and prices.grams_co2_per_kwh else None,
    )


def energy_of(taken: Resources, prices: CostConfig) -> tuple[float | None, float | None]:
    """Return the kilowatt-hours of training and of one answer: measured, else by the config's `watts`, else None."""
    fit = taken.energy.fit_kwh if taken.energy else None
    answer = taken.energy.kwh_per_message if taken.energy else None
    if prices.watts:
        fit = prices.watts / 1000 * (taken.fit_seconds or 0.0) / 3600 if fit is None else fit
        if answer is None and taken.throughput_per_s:
            answer = prices.watts / 1000 / taken.throughput_per_s / 3600
    return fit, answer


def break_even(first: Cost, second: Cost) -> float | None:
    """Return the number of messages above which the one with the higher fixed cost is the cheaper one.

    None where one of the two is never more expensive than the other.
    """
    fixed, running = first.fixed - second.fixed, second.per_million - first.per_million
    return 1e6 * fixed / running if fixed * running > 0 else None


def machine_gb(taken: Resources) -> float | None:
    """Return the memory in GB of the smallest usual machine that can serve a classifier."""
    needed = taken.memory_bytes
    if needed is None:
        return None
    return next((size for size in MACHINES_GB if size * 1e9 >= HEADROOM * needed), None)
