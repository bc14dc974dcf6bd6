"""Export formats, by name."""

__all__ = ["EXPORTERS"]

#: Import path of each exporter class by format name; importing this imports none of them.
EXPORTERS: dict[str, str] = {
    "raven": "darksound.report.exports.raven:Raven",
    "audacity": "darksound.report.exports.audacity:Audacity",
    "csv": "darksound.report.exports.tables:CsvTable",
    "parquet": "darksound.report.exports.tables:ParquetTable",
    "clips": "darksound.report.exports.clips:Clips",
    "dataset": "darksound.report.exports.clips:Dataset",
    "activity": "darksound.report.exports.activity:Activity",
    "occupancy": "darksound.report.exports.occupancy:Occupancy",
    "darwin-core": "darksound.report.exports.darwin_core:DarwinCore",
    "data-package": "darksound.report.exports.data_package:DataPackage",
    "aoef": "darksound.report.exports.aoef:Aoef",
}
