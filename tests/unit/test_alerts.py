"""docs/alerts.yml by Prometheus's own tool: a service that is well raises no alert, and each fault raises its own.

docs/grafana.json has expressions that Prometheus understands.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.support.promtool import ALERTS, DOCS, PROMTOOL, dashboard_expressions, firing, needs_promtool

WORKER = '{process="worker-1"}'
API = '{process="api-1"}'


def histogram(name: str, process: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the series of a histogram, with the growth of each bucket."""
    label = f'process="{process}",' if process else ""
    return {f'{name}_bucket{{{label}le="{bound}"}}': growth for bound, growth in values.items()}


WELL = {
    "duetime_workers": "2x40",
    "duetime_postgres_up": "1x40",
    "duetime_redis_up": "1x40",
    "duetime_queue_depth": "0x40",
    "duetime_oldest_due_age_seconds": "0x40",
    "duetime_last_sweep_age_seconds": "1x40",
    'duetime_runs_total{outcome="succeeded"}': "0+100x40",
    'duetime_runs_total{outcome="failed"}': "0+1x40",
    f"duetime_rescued_runs_total{WORKER}": "0x40",
    f"duetime_slots{WORKER}": "600x40",
    f"duetime_slots_in_use{WORKER}": "300x40",
    f"duetime_postgres_pool_size{WORKER}": "10x40",
    f"duetime_postgres_pool_in_use{WORKER}": "4x40",
    'duetime_notifications_total{outcome="failed",process="worker-1"}': "0x40",
    **histogram("duetime_run_lateness_seconds", "", {"0.01": "0+100x40", "2": "0+100x40", "+Inf": "0+100x40"}),
    **histogram(
        "duetime_event_loop_lag_seconds", "worker-1", {"0.001": "0+240x40", "0.25": "0+240x40", "+Inf": "0+240x40"}
    ),
    **histogram("duetime_event_lag_seconds", "api-1", {"0.01": "0+60x40", "5": "0+60x40", "+Inf": "0+60x40"}),
}
FAULTS: dict[str, dict[str, str]] = {
    "DuetimeNoWorkers": {"duetime_workers": "0x40"},
    "DuetimeAway": {"duetime_workers": "_x40"},
    "DuetimeRedisAway": {"duetime_redis_up": "0x40"},
    "DuetimeQueue": {"duetime_queue_depth": "7x40"},
    "DuetimeOverdue": {"duetime_oldest_due_age_seconds": "0+60x40"},
    "DuetimeLate": histogram(
        "duetime_run_lateness_seconds", "", {"0.01": "0+90x40", "2": "0+100x40", "+Inf": "0+100x40"}
    ),
    "DuetimeFailures": {'duetime_runs_total{outcome="failed"}': "0+50x40"},
    "DuetimeSweep": {"duetime_last_sweep_age_seconds": "0+60x40"},
    "DuetimeWorkersLost": {f"duetime_rescued_runs_total{WORKER}": "0x24 3x16"},
    "DuetimeSlots": {f"duetime_slots_in_use{WORKER}": "590x40"},
    "DuetimeLoopLag": histogram(
        "duetime_event_loop_lag_seconds", "worker-1", {"0.001": "0+10x40", "0.25": "0+240x40", "+Inf": "0+240x40"}
    ),
    "DuetimePool": {f"duetime_postgres_pool_in_use{WORKER}": "10x40"},
    "DuetimeEventLag": histogram(
        "duetime_event_lag_seconds", "api-1", {"0.01": "0+1x40", "5": "0+60x40", "+Inf": "0+60x40"}
    ),
    "DuetimeNotifications": {'duetime_notifications_total{outcome="failed",process="worker-1"}': "0x10 1x30"},
}


@needs_promtool
def test_a_service_that_is_well_raises_no_alert(tmp_path: Path) -> None:
    """Half an hour of it."""
    assert firing(WELL, [], folder=tmp_path) == ""


@needs_promtool
@pytest.mark.parametrize("alert", FAULTS)
def test_a_fault_raises_its_alert_and_no_other(alert: str, tmp_path: Path) -> None:
    """Each differs from the service that is well in one metric."""
    assert firing(WELL | FAULTS[alert], [alert], folder=tmp_path) == ""


def test_there_is_a_fault_for_each_alert() -> None:
    """So no rule is without a test."""
    [group] = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    assert [rule["alert"] for rule in group["rules"]] == list(FAULTS)


@needs_promtool
def test_the_expressions_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    """Prometheus parses each of them, here as a rule that records its value."""
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(dashboard_expressions())]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([str(PROMTOOL), "check", "rules", path], capture_output=True, text=True, check=False)
    assert f"{len(rules)} rules found" in done.stdout, done.stderr


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    """None covers another or leaves the grid of 24 columns; each has an id, a title and a description of its own."""
    panels = json.loads((DOCS / "grafana.json").read_text("utf-8"))["panels"]
    cells = [
        (column, line)
        for panel in panels
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and (panel["type"] == "row" or panel["description"].endswith(".")) for panel in panels)
