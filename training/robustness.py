"""The robustness experiment (Imani 2025, section 2.5), printed as the paper's Table 2.

Trained on domain A, tested on people of A held out and on all of B; trained on A and B, tested on people of
both held out. Domains may have people in common, as where only the scanner differs: who is held out in one is
held out in the other, and who is trained on in A is not tested on in B. The paper picks the best of ten folds
by the figures it then reports; here there is one split, made before anything is trained, and no picking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.table import Table

from training import published
from training.cases import Case
from training.config import CaseData, Section, changed
from training.cross_validate import without
from training.domains import Domain, open_domain
from training.errors import ConfigurationError
from training.evaluate import JudgedCase
from training.experiments import TissueLaboratory, Trained
from training.folds import split_by_subject
from training.summary import Summary, over_cases
from training.tables import Experiment, markdown, side_by_side
from training.tissue_config import MixedData, SourceData, load_config

TABLE = "table2.md"


class DomainSettings(Section):
    """One domain.

    Attributes:
        name: for the table.
        data: as in a training's configuration: other people and another variation, or another folder.
    """

    name: str
    data: SourceData


class RobustnessConfig(Section):
    """The YAML file of ``coxa robustness``.

    Attributes:
        training: configuration of the training; its data and output are replaced. It names nobody to
            validate on: with cases, leave validation out.
        held_out: one person in so many is tested on and not trained on; the paper's is 10.
        cases_per_person: synthetic patients drawn from each person to test on.
        output: folder of both trainings and of all tests.
    """

    training: Path
    a: DomainSettings
    b: DomainSettings
    held_out: int = Field(ge=2)
    cases_per_person: int = Field(default=20, gt=0)
    output: Path


def robustness(config: RobustnessConfig, laboratory: TissueLaboratory, console: Console) -> list[Table]:
    """Train twice and test three times; what is finished is not repeated.

    Returns:
        Mean and deviation over cases: a table for each block of the paper's Table 2.

    Raises:
        ConfigurationError: the training's file is wrong, or a domain has too few people for ``held_out``.
        TrainingError: the output holds results of other settings.
    """
    base = load_config(config.training)
    if base.validation is not None and base.validation.people:
        raise ConfigurationError(
            f"{config.training}: validation.people must be empty, the domains have people of their own."
        )
    a, b = _open(config, base.seed)

    def trained(folder: str, data: SourceData | MixedData) -> Trained[Sequence[Case], JudgedCase]:
        return Trained(changed(base, data=data, output=config.output / folder), laboratory, console)

    def tested(network: Trained[Sequence[Case], JudgedCase], folder: str, parts: Sequence[_Part]) -> Summary:
        console.rule(folder.replace("-", " "))
        tested_on = [part.described() for part in parts]
        judged = network.test(
            config.output / folder, tested_on, lambda: [case for part in parts for case in part.cases()]
        )
        return over_cases([case.scores for case in judged])

    on_a = trained("trained-on-a", a.training_data)
    mixed = MixedData(kind="mixed", parts=(a.training_data, b.training_data))
    on_both = trained("trained-on-a-and-b", mixed)
    held_a, held_b, unknown = a.part(a.held_out), b.part(b.held_out), b.part(b.unknown_to(a))
    tables = _tables(
        a,
        b,
        a_on_a=tested(on_a, "a-tested-on-a", [held_a]),
        a_on_b=tested(on_a, "a-tested-on-b", [unknown]),
        both=tested(on_both, "a-and-b-tested-on-a-and-b", [held_a, held_b]),
    )
    (config.output / TABLE).write_text("\n".join(markdown(table) for table in tables), encoding="utf-8")
    return tables


@dataclass(frozen=True)
class _Part:
    """Some people of a domain, to be tested on."""

    settings: DomainSettings
    domain: Domain[list[Case]]
    subjects: Sequence[str]
    cases_per_person: int

    def cases(self) -> list[Case]:
        return self.domain.cases(self.subjects)

    def described(self) -> dict[str, object]:
        return {
            "data": self.settings.data.model_dump(mode="json"),
            "subjects": list(self.subjects),
            "cases_per_person": self.cases_per_person,
        }


@dataclass(frozen=True)
class _Split:
    """A domain, some of its people held out."""

    settings: DomainSettings
    domain: Domain[list[Case]]
    held_out: Sequence[str]
    cases_per_person: int

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def training_data(self) -> SourceData:
        return without(self.settings.data, tuple(self.held_out))

    @property
    def trained_on(self) -> list[str]:
        return [name for name in self.domain.subjects if name not in self.held_out]

    def part(self, subjects: Sequence[str]) -> _Part:
        return _Part(self.settings, self.domain, subjects, self.cases_per_person)

    def unknown_to(self, other: "_Split") -> list[str]:
        """Who is not trained on in the other domain."""
        known = {_person(other.settings, name) for name in other.trained_on}
        return [name for name in self.domain.subjects if _person(self.settings, name) not in known]


def _open(config: RobustnessConfig, seed: int) -> tuple[_Split, _Split]:
    sides = config.a, config.b
    domains = [open_domain(side.data, seed, config.cases_per_person) for side in sides]
    held_out: set[tuple[Path, str]] = set()
    for side, domain in zip(sides, domains, strict=True):
        try:
            fold = split_by_subject(domain.subjects, config.held_out, seed)[0]
        except ValueError as error:
            raise ConfigurationError(f"held_out in domain {side.name}: {error}") from None
        held_out |= {_person(side, name) for name in fold.test}
    a, b = (
        _Split(
            side,
            domain,
            [name for name in domain.subjects if _person(side, name) in held_out],
            config.cases_per_person,
        )
        for side, domain in zip(sides, domains, strict=True)
    )
    return a, b


def _person(side: DomainSettings, name: str) -> tuple[Path, str]:
    """Who is meant: the same name in the same folder is the same person, in whichever domain."""
    return side.data.cases if isinstance(side.data, CaseData) else side.data.anatomy, name


def _tables(a: _Split, b: _Split, a_on_a: Summary, a_on_b: Summary, both: Summary) -> list[Table]:
    trained_a, trained_b, tested_a, tested_b = (
        len(names) for names in (a.trained_on, b.trained_on, a.held_out, b.held_out)
    )
    on_a = f"{a.name} (n = {trained_a})"
    experiments = [
        Experiment(
            on_a, f"{a.name} (n = {tested_a})", a_on_a, {"paper, PA on PA": published.TABLE_2_PA_ON_PA}
        ),
        Experiment(
            on_a,
            f"{b.name} (n = {len(b.unknown_to(a))})",
            a_on_b,
            {"paper, PA on HK": published.TABLE_2_PA_ON_HK},
        ),
        Experiment(
            f"{a.name} + {b.name} (n = {trained_a + trained_b})",
            f"{a.name} + {b.name} (n = {tested_a + tested_b})",
            both,
            {"paper, PA + HK": published.TABLE_2_PA_HK},
        ),
    ]
    return [side_by_side(experiment, "Robustness, mean ± SD over cases") for experiment in experiments]
