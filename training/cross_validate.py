"""k-fold cross-validation by subject (Imani 2025, section 2.4.3; k = 10), as tables beside the papers'."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from training import published
from training.config import PeopleData, changed
from training.domains import Domain, open_domain
from training.errors import ConfigurationError
from training.experiments import (
    CasesT,
    JudgedT,
    Laboratory,
    MuscleLaboratory,
    TissueLaboratory,
    Trained,
)
from training.folds import split_by_subject
from training.muscle_config import MuscleTraining
from training.muscle_domains import open_muscle_domain
from training.muscle_summary import over_volumes
from training.muscle_tables import muscle_table
from training.summary import Summary, over_cases, over_folds
from training.tables import Experiment, markdown, side_by_side
from training.tasks import AnyTraining
from training.tissue_config import MixedData, TissueTraining

TABLE, MUSCLE_TABLE = "table1.md", "muscles.md"

_Data = TypeVar("_Data", bound=PeopleData)


def cross_validate(
    config: TissueTraining, folds: int, cases_per_person: int, laboratory: TissueLaboratory, console: Console
) -> Table:
    """Train and test every fold for hip tissue; finished folds are not repeated.

    Each fold has a folder in the configuration's output, and the table is written beside them. Subjects named
    for validation choose the weights of every fold and are hence never tested.

    Args:
        config: of one training on everyone; each fold leaves its own subjects out.
        folds: as many as there are subjects leaves one out at a time.
        cases_per_person: with synthetic data, how many patients are drawn from each to test on.
        laboratory: trains and labels.
        console: for progress.

    Returns:
        Mean and deviation over folds, in the form of the paper's Table 1.

    Raises:
        ConfigurationError: there are not enough subjects for so many folds, or the data are mixed.
        TrainingError: the output holds folds of other settings.
    """
    if isinstance(config.data, MixedData):
        raise ConfigurationError("data.kind: mixed data cannot be cross-validated; give one data set.")
    domain = open_domain(config.data, config.seed, cases_per_person)
    judged = _tested(config, config.data, domain, folds, cases_per_person, laboratory, console)
    found = [over_cases([case.scores for case in fold]) for fold in judged]
    table = _table(over_folds(found), folds, len(_subjects(config, domain)))
    (config.output / TABLE).write_text(markdown(table), encoding="utf-8")
    return table


def cross_validate_muscles(
    config: MuscleTraining, folds: int, cases_per_person: int, laboratory: MuscleLaboratory, console: Console
) -> Table:
    """The same for thigh muscles.

    Returns:
        Mean and deviation over cases: all folds together have tested each case once.

    Raises:
        ConfigurationError: there are not enough subjects for so many folds.
        TrainingError: the output holds folds of other settings.
    """
    domain = open_muscle_domain(config.data, config.seed, cases_per_person)
    judged = list(chain(*_tested(config, config.data, domain, folds, cases_per_person, laboratory, console)))
    people = len(_subjects(config, domain))
    title = f"{folds}-fold cross-validation by subject: {len(judged)} cases of {people} people"
    table = muscle_table(over_volumes(judged), title)
    (config.output / MUSCLE_TABLE).write_text(markdown(table), encoding="utf-8")
    return table


def without(data: _Data, subjects: tuple[str, ...]) -> _Data:
    """The same data, these subjects left out besides those that are."""
    return data.model_copy(update={"leave_out": (*data.leave_out, *subjects)})


def _subjects(config: AnyTraining, domain: Domain[object]) -> Sequence[str]:
    """Who is tested."""
    validated_on = config.validation.people if config.validation is not None else ()
    return [name for name in domain.subjects if name not in validated_on]


def _tested(
    config: AnyTraining,
    data: PeopleData,
    domain: Domain[CasesT],
    folds: int,
    cases_per_person: int,
    laboratory: Laboratory[CasesT, JudgedT],
    console: Console,
) -> list[list[JudgedT]]:
    """The judged cases of each fold."""
    subjects = _subjects(config, domain)
    try:
        split = split_by_subject(subjects, folds, config.seed)
    except ValueError as error:
        raise ConfigurationError(f"{error} Subjects: {', '.join(subjects)}.") from None
    found = []
    for fold in split:
        console.rule(f"Fold {fold.number} of {folds}: tested on {', '.join(fold.test)}")
        folder = config.output / f"fold-{fold.number:02d}-of-{folds:02d}"
        of_fold = changed(config, data=without(data, fold.test), output=folder / "training")
        trained = Trained(of_fold, laboratory, console)
        tested_on = {"subjects": fold.test, "cases_per_person": cases_per_person}
        found.append(trained.test(folder / "test", tested_on, partial(domain.cases, fold.test)))
    return found


def _table(measured: Summary, folds: int, subjects: int) -> Table:
    held_out = subjects / folds
    experiment = Experiment(
        f"n = {subjects - held_out:.3g}",
        f"n = {held_out:.3g}",
        measured,
        {"paper, PA": published.TABLE_1_PA, "paper, PA + HK": published.TABLE_1_PA_HK},
    )
    return side_by_side(experiment, f"{folds}-fold cross-validation by subject, mean ± SD over folds")
