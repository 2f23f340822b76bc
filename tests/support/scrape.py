"""What Prometheus reads from an API."""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.graphql import Api


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of one scrape, and its text."""

    text: str
    samples: Sequence[Sample]

    @property
    def names(self) -> set[str]:
        """The names of the samples."""
        return {sample.name for sample in self.samples}

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of a sample, with these labels if given."""
        return [
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def processes(self, kind: str) -> set[str]:
        """Return the names of the processes of a kind that have reported."""
        return {
            sample.labels["process"]
            for sample in self.samples
            if sample.name == "duetime_process_info" and sample.labels["kind"] == kind
        }


async def scrape(api: Api) -> Scrape:
    """Scrape an API once."""
    answer = await api.http.get("/metrics", headers={"accept": "text/plain;version=0.0.4"})
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return Scrape(answer.text, [sample for family in families for sample in family.samples])
