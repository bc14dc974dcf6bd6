"""All formats of export."""

from collections.abc import Mapping
from types import MappingProxyType

from darksound.report.exports.audacity import Audacity
from darksound.report.exports.base import Exporter
from darksound.report.exports.clips import Clips, Dataset
from darksound.report.exports.raven import Raven
from darksound.report.exports.tables import CsvTable, ParquetTable

__all__ = ["EXPORTERS"]

#: Formats by name.
EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {
        "raven": Raven(),
        "audacity": Audacity(),
        "csv": CsvTable(),
        "parquet": ParquetTable(),
        "clips": Clips(),
        "dataset": Dataset(),
    }
)
