"""A config module that registers the wrong exporters and the architectures they need."""

from __future__ import annotations

from harness import register_exporter
from tests.faults.library.as_exporters import AS_EXPORTERS, CONTROL
from tests.faults.library.subjects import register_more

register_more()
register_exporter(CONTROL)
for one in AS_EXPORTERS:
    register_exporter(one.exporter)
