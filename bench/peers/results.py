"""What the peers answered, compared with the reference and laid side by side."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.peers.environments import Unavailable
from bench.peers.measure import Answer, Task, Workload
from bench.peers.plan import Peer

CENT = 0.01

TITLES: Mapping[Workload, str] = {
    "one-symbol": "One symbol: EMA 12/26, fee 0.1 % a side",
    "portfolio": "Portfolio: 20 symbols on one account",
    "sweep": "Sweep: pairs of EMA periods",
}
_TEXTS = ("library", "version", "fills at")


def speeds_of(answers: Sequence[Answer]) -> list[float]:
    """Bars, or pairs of a sweep, a second; one figure a run."""
    return [_done(answer.task) / seconds for answer in answers for seconds in answer.seconds]


def table(texts: Sequence[str], figures: Sequence[str], rows: Sequence[Sequence[str]], last: str | None = None) -> str:
    """In Markdown. texts: heads of the columns that are aligned left; last: the same at the right end."""
    ends = [last] if last else []
    aligned = [":--"] * len(texts) + ["--:"] * len(figures) + [":--"] * len(ends)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in ([*texts, *figures, *ends], aligned, *rows))


class Verdict(NamedTuple):
    """agrees: None where there is nothing to compare."""

    agrees: bool | None
    text: str


@dataclass(slots=True)
class Results:
    """answers: of each peer and task, one a round. missing: why there is none."""

    answers: dict[tuple[Peer, Task], list[Answer]] = field(default_factory=lambda: defaultdict(list))
    missing: dict[tuple[Peer, Task], Unavailable] = field(default_factory=dict)
    references: dict[Task, Answer] = field(default_factory=dict)

    def add(self, peer: Peer, task: Task, answer: Answer | Unavailable) -> None:
        if isinstance(answer, Unavailable):
            self.missing[peer, task] = answer
        else:
            self.answers[peer, task].append(answer)

    def verdict(self, peer: Peer, task: Task) -> Verdict:
        """Whether fills and every equity, to the cent, are those of the reference on the same task."""
        answer, reference = self.answers[peer, task][0], self.references.get(task)
        if reference is None:
            return Verdict(None, "no reference")
        if not answer.equities:
            return Verdict(None, "no account yet")
        pairs = zip(answer.equities, reference.equities, strict=True)
        furthest = max(abs(ours - theirs) for ours, theirs in pairs)
        if furthest < CENT / 2 and answer.fills == reference.fills:
            return Verdict(True, "to the cent")
        by = f"differs by {furthest:,.2f}, {answer.fills - reference.fills:+,} fills"
        return Verdict(False, by if peer.differs is None else f"{by}: {peer.differs}")

    def disagreements(self) -> list[str]:
        """Peers that must agree and do not."""
        return [
            f"{peer.title}, {task.workload}, {task.convention}, {task.bars:,} bars: {self.verdict(peer, task).text}"
            for peer, task in self.answers
            if self.verdict(peer, task).agrees is False and peer.differs is None
        ]

    def sections(self) -> list[str]:
        """A table a workload, of those that were run."""
        return [section for workload in TITLES if (section := self._section(workload))]

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "peer": peer.title,
                "workload": task.workload,
                "convention": task.convention,
                "bars": task.bars,
                "symbols": task.symbols,
                "pairs": task.pairs,
                "seconds": [seconds for answer in answers for seconds in answer.seconds],
                "first_s": [answer.first_s for answer in answers],
                "fills": answers[0].fills,
                "equity": answers[0].equities[0] if len(answers[0].equities) == 1 else None,
                "agreement": self.verdict(peer, task).text,
                "versions": dict(answers[0].versions),
            }
            for (peer, task), answers in self.answers.items()
        ]

    def _section(self, workload: Workload) -> str:
        rows = [*self._measured(workload), *self._unmeasured(workload)]
        if not rows:
            return ""
        unit = "pairs/s" if workload == "sweep" else "bars/s"
        figures = ("size", unit, "min to max", "first run s", "taking in s", "peak MiB", "fills", "final equity")
        return f"## {TITLES[workload]}\n\n{table(_TEXTS, figures, rows, last='reference')}"

    def _measured(self, workload: Workload) -> Iterator[Sequence[str]]:
        for (peer, task), answers in self.answers.items():
            if task.workload != workload:
                continue
            speeds, first = speeds_of(answers), answers[0]
            yield (
                peer.title,
                _version(peer, first),
                _convention(task),
                _size(task),
                _number(statistics.median(speeds)),
                f"{_number(min(speeds))} to {_number(max(speeds))}",
                f"{statistics.median(answer.first_s for answer in answers):.2f}",
                f"{statistics.median(answer.prepare_s for answer in answers):.2f}",
                f"{max(answer.peak_mib for answer in answers):,.0f}",
                f"{first.fills:,}",
                f"{first.equities[0]:,.2f}" if len(first.equities) == 1 else "-",
                self.verdict(peer, task).text,
            )

    def _unmeasured(self, workload: Workload) -> Iterator[Sequence[str]]:
        for (peer, task), why in self.missing.items():
            if task.workload == workload and (peer, task) not in self.answers:
                said = why.reason.replace("|", "/")
                yield (peer.title, "-", _convention(task), _size(task), *["-"] * 7, said)


def _done(task: Task) -> int:
    return task.pairs if task.workload == "sweep" else task.bars * task.symbols


def _size(task: Task) -> str:
    if task.workload == "sweep":
        return f"{task.pairs:,} pairs x {task.bars:,}"
    return f"{task.symbols} x {task.bars:,}" if task.symbols > 1 else f"{task.bars:,}"


def _convention(task: Task) -> str:
    return task.convention.replace("-", " ")


def _version(peer: Peer, answer: Answer) -> str:
    """The first package a runner names is the library."""
    names = [name for name in answer.versions if name != "python"]
    return answer.versions[names[0] if names else "python"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
