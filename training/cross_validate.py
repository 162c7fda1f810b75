"""k-fold cross-validation by subject (Imani 2025, section 2.4.3; k = 10), printed as the paper's Table 1."""

from functools import partial

from rich.console import Console
from rich.table import Table

from training import published
from training.config import MixedData, SourceData, TrainingConfig, changed
from training.domains import open_domain
from training.errors import ConfigurationError
from training.experiments import Laboratory, Trained
from training.folds import split_by_subject
from training.summary import Summary, over_folds
from training.tables import Experiment, markdown, side_by_side

TABLE = "table1.md"


def cross_validate(
    config: TrainingConfig, folds: int, cases_per_person: int, laboratory: Laboratory, console: Console
) -> Table:
    """Train and test every fold; finished folds are not repeated.

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
    validated_on = config.validation.people if config.validation is not None else ()
    subjects = [name for name in domain.subjects if name not in validated_on]
    try:
        split = split_by_subject(subjects, folds, config.seed)
    except ValueError as error:
        raise ConfigurationError(f"{error} Subjects: {', '.join(subjects)}.") from None
    found = []
    for fold in split:
        console.rule(f"Fold {fold.number} of {folds}: tested on {', '.join(fold.test)}")
        folder = config.output / f"fold-{fold.number:02d}-of-{folds:02d}"
        of_fold = changed(config, data=without(config.data, fold.test), output=folder / "training")
        trained = Trained(of_fold, laboratory, console)
        tested_on = {"subjects": fold.test, "cases_per_person": cases_per_person}
        found.append(trained.test(folder / "test", tested_on, partial(domain.cases, fold.test)))
    table = _table(over_folds(found), folds, len(subjects))
    (config.output / TABLE).write_text(markdown(table), encoding="utf-8")
    return table


def without(data: SourceData, subjects: tuple[str, ...]) -> SourceData:
    """The same data, these subjects left out besides those that are."""
    return data.model_copy(update={"leave_out": (*data.leave_out, *subjects)})


def _table(measured: Summary, folds: int, subjects: int) -> Table:
    held_out = subjects / folds
    experiment = Experiment(
        f"n = {subjects - held_out:.3g}",
        f"n = {held_out:.3g}",
        measured,
        {"paper, PA": published.TABLE_1_PA, "paper, PA + HK": published.TABLE_1_PA_HK},
    )
    return side_by_side(experiment, f"{folds}-fold cross-validation by subject, mean ± SD over folds")
