"""Judge files that are not float32 in steps, each of which can fail alone."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.errors import HarnessError, one_line
from harness.evidence.evidence import Evidence
from harness.evidence.session import CandidateError
from harness.judge.ladder import run_requirement, run_requirements, skipped
from harness.records import Outcome, Record, roll_up
from harness.requirements.steps import GRAPH, in_graph, kernels, loads, loss, stored_weights

if TYPE_CHECKING:
    from harness.evidence.low_precision import LowPrecisionEvidence
    from harness.judge.budget import Budget
    from harness.judge.prepared_cell import PreparedCell
    from harness.requirements.shared.requirement import Requirement

SHOWN = 6
NOT_JUDGED = "reported, not judged, since no bound is given (--min-top1)"


class Steps:
    """The steps of one verdict. `prepared` has the requirements of the twin, `planned` all ids."""

    def __init__(
        self, prepared: PreparedCell, files: LowPrecisionEvidence, planned: Sequence[str]
    ) -> None:
        self._files = files
        self._planned = planned
        self._prepared = prepared
        self._of_twin: PreparedCell | None = None
        self._of_files = dataclasses.replace(
            prepared,
            evidence=files,
            requirements=planned,
            examples=files.examples,
            budget_seconds=None,
        )

    @property
    def budget(self) -> Budget | None:
        """The time for examples of the twin; None before it is judged."""
        return self._of_twin.budget if self._of_twin else None

    @property
    def forms(self) -> Sequence[str]:
        """The forms in which the files store weights, as far as it is known."""
        return self._files.forms

    def run(self) -> Iterator[Record]:
        """Yield one record per planned id, each as soon as it is ready."""
        opened, refuses = run_requirement(self._of_files, loads.REQUIREMENT)
        if opened.requirement in self._planned:
            yield opened
        if stored_weights.REQUIREMENT.id in self._planned:
            yield run_requirement(self._of_files, stored_weights.REQUIREMENT)[0]
        if any(name.startswith(GRAPH) for name in self._planned):
            yield from self._judge_graph()
        for requirement in (kernels.REQUIREMENT, loss.REQUIREMENT):
            if requirement.id in self._planned:
                yield self._judge_run(requirement, opened if refuses else None)

    def _judge_run(self, requirement: Requirement, blocker: Record | None) -> Record:
        """Return the record of a step that runs the files, which it cannot if they do not load."""
        if blocker is not None:
            return skipped(self._prepared.cell, requirement.id, blocker)
        record, _ = run_requirement(self._of_files, requirement)
        is_report = requirement is loss.REQUIREMENT and self._files.min_top1 is None
        if not is_report or record.outcome is not Outcome.PASSED:
            return record
        message = "\n".join(filter(None, [NOT_JUDGED, record.message]))
        return dataclasses.replace(record, outcome=Outcome.NOT_APPLICABLE, message=message)

    def _judge_graph(self) -> Iterator[Record]:
        """Yield the twin's records, then the one of the step, which is the worst of them."""
        start, cell = time.perf_counter(), self._prepared.cell
        found: list[Record] = []
        reason = self._why_no_twin()
        if reason is None:
            self._of_twin = self._prepare_twin()
            for record in run_requirements(self._of_twin):
                found.append(dataclasses.replace(record, requirement=in_graph(record.requirement)))
                yield found[-1]
            outcome, message = roll_up(record.outcome for record in found), _summary(found)
        else:
            outcome, message = Outcome.INCONCLUSIVE, f"{GRAPH}: {reason} [{cell}]"
        graph = Record(
            cell=cell,
            requirement=GRAPH,
            outcome=outcome,
            message=message,
            seconds=round(time.perf_counter() - start, 6),
        )
        if not found:
            names = (name for name in self._planned if name.startswith(in_graph("")))
            yield from (skipped(cell, name, graph) for name in names)
        if GRAPH in self._planned:
            yield graph

    def _why_no_twin(self) -> str | None:
        """Return why nothing can be said about the graph; None if twin and weights are whole."""
        try:
            unknown = [name for twin in self._files.twins.values() for name in twin.unknown]
            if unknown:
                return f"no float32 rewrite of {', '.join(dict.fromkeys(unknown))}"
            return "; ".join(self._files.carried.problems[:SHOWN]) or None
        except (CandidateError, HarnessError) as error:
            return one_line(error)

    def _prepare_twin(self) -> PreparedCell:
        """Return the twin, ready to be judged against eager PyTorch with the same weights."""
        files = self._files
        source = dataclasses.replace(files.files.source, files=files.twin_files())
        twin = Evidence(
            model=files.carried.model,
            config=files.config,
            source=source,
            open_sessions=files.subject.open_sessions,
        )
        replay = self._prepared.replay
        return dataclasses.replace(
            self._prepared,
            evidence=twin,
            replay=lambda requirement, example: replay(in_graph(requirement), example),
        )


def _summary(found: Sequence[Record]) -> str:
    names = [
        f"{record.requirement.removeprefix(in_graph(''))} {record.outcome.replace('_', ' ')}"
        for record in found
        if record.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE)
    ]
    return f"the float twin: {', '.join(names)}" if names else ""
