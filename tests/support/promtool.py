"""Evaluates the alert rules of docs/alerts.yml by Prometheus's own tool, over time that is not real."""

import json
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from tests.support.scrape import Scrape

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = DOCS / "alerts.yml"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
MINUTES = 30


def firing(series: Mapping[str, str], alerts: Collection[str], *, folder: Path) -> str:
    """Evaluate the rules every minute. Return what differs from `alerts` firing after half an hour, or nothing.

    `series` has values as promtool writes them: `0+3x30` is a counter that grows by 3 a minute.
    """
    test = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{MINUTES}m",
                        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)],
                    }
                ],
            }
        ],
    }
    path = folder / "alerts_test.json"  # JSON is YAML
    path.write_text(json.dumps(test))
    done = subprocess.run([str(PROMTOOL), "test", "rules", path], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def constant(scrape: Scrape) -> dict[str, str]:
    """Return the series of a service that stays as it was when it was scraped."""
    return {
        "{}{{{}}}".format(
            sample.name, ",".join(f"{label}={json.dumps(value)}" for label, value in sample.labels.items())
        ): f"{sample.value}x{MINUTES}"
        for sample in scrape.samples
    }


def growing(before: Scrape, after: Scrape) -> dict[str, str]:
    """Return the series of a service in which each minute goes as it went between two scrapes."""
    counted = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in before.samples}
    found = constant(after)
    for (name, series), sample in zip(list(found.items()), after.samples, strict=True):
        if sample.name.endswith(("_total", "_bucket", "_count", "_sum")):
            growth = sample.value - counted.get((sample.name, tuple(sorted(sample.labels.items()))), 0)
            found[name] = series if growth == 0 else f"0+{growth}x{MINUTES}"
    return found


def dashboard_expressions() -> list[str]:
    """Return the expressions of all panels of docs/grafana.json, with an interval in place of Grafana's variable."""
    panels = json.loads((DOCS / "grafana.json").read_text("utf-8"))["panels"]
    return [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel.get("targets", [])]


def metrics_in(text: str) -> set[str]:
    """Return the names of Duetime's metrics in expressions."""
    return set(re.findall(r"\bduetime_\w+", text))
