"""Energy is read from a meter or not given at all; what it costs is worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.cost import cost_of
from bench.analysis.resources import Resources
from bench.cli import main
from bench.config.tables import CostConfig
from bench.measure import energy
from bench.measure.energy import EnergyMeter, power_meters
from bench.records.store import find_run
from bench.records.types import Energy

HAS_METER = bool(power_meters())


def taken(source: str = energy.NO_METER, **kwh: float) -> Resources:
    """A thousand seconds of training, then ten messages per second."""
    measured = Energy(source, kwh.get("fit"), kwh.get("predict"), 200)
    return Resources(fit_seconds=1000, throughput_per_s=10, energy=measured)


def test_without_a_meter_nothing_is_guessed() -> None:
    meter = EnergyMeter()
    with meter.measuring("fit"):
        pass
    assert set(meter.kwh) == ({"fit"} if HAS_METER else set())
    assert HAS_METER or meter.source == energy.NO_METER


def test_a_meter_adds_up_by_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """codecarbon's figure for memory is a model of its own and there on every machine: it stands in for a meter."""
    monkeypatch.setattr(energy, "power_meters", lambda: {"ram_energy": "memory model"})
    meter = EnergyMeter()
    for _ in range(2):
        with meter.measuring("predict"):
            sum(range(2_000_000))
        first = meter.kwh.setdefault("first", meter.kwh["predict"])
    assert meter.source == "memory model"
    assert 0 < first < meter.kwh["predict"] < 1e-3


def test_measured_energy_is_what_is_billed() -> None:
    prices = CostConfig(per_kwh=0.3, grams_co2_per_kwh=400, watts=1000)
    cost = cost_of(taken("RAPL", fit=0.5, predict=0.002), prices)
    assert cost is not None
    # 0.002 kWh for 200 messages is 10 kWh for a million: 3 in money, 4 kg; the watts play no part
    assert (cost.kwh_per_million, cost.per_million, cost.kg_co2_per_million) == pytest.approx((10, 3, 4))
    assert cost.training == pytest.approx(0.15)


def test_given_watts_stand_in_for_a_meter() -> None:
    cost = cost_of(taken(), CostConfig(watts=36, grams_co2_per_kwh=500))
    assert cost is not None
    # a million at ten a second is 100,000 s; 36 W are 0.036 kW, for 27.8 hours
    assert cost.kwh_per_million == pytest.approx(1.0)
    assert cost.kg_co2_per_million == pytest.approx(0.5)
    assert cost.training_kwh == pytest.approx(0.01)


def test_nothing_known_is_none_and_not_zero() -> None:
    cost = cost_of(taken(), CostConfig(grams_co2_per_kwh=500))
    assert cost is not None
    assert (cost.kwh_per_million, cost.kg_co2_per_million, cost.training_kwh) == (None, None, None)


@pytest.mark.slow
def test_a_run_says_what_its_energy_comes_from(data_folder: Path, tmp_path: Path) -> None:
    from bench.analysis.scored_run import rows_of
    from bench.report.build import make_report

    config = tmp_path / "watts.toml"
    config.write_text(f"""data = {{ path = {str(data_folder)!r} }}
cost = {{ watts = 20.0 }}
classifiers = {{ majority = {{}} }}
""")
    assert main(["--results", str(tmp_path), "run", str(config)]) == 0
    folder = find_run("latest", tmp_path)
    ((record, _),) = folder.cells()
    assert record.energy is not None
    assert record.energy.source
    assert record.energy.n_predicted == folder.read().part_sizes["test"]
    (table,) = (t for t in make_report(folder.read(), rows_of(folder), []).tables if t.title == "What it takes")
    assert "kWh per million" in table.head
    assert HAS_METER or any("taken as 20 W" in note for note in table.notes)
